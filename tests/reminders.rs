//! Reminders of check-in: both parties of an accepted booking, once, at the configured time before it, whichever
//! instance is there.

use std::sync::Arc;
use std::time::Duration;

use bellhop::domain::Clock;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::app::{JWT_SECRET, TestApp, TestAppBuilder, booking, seconds_from_now, token_of};
use crate::support::both::build_on_both_databases;
use crate::support::clock::SteppedClock;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::postgres;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::records::{execute, texts};
use crate::support::smtp_sink::SmtpSink;
use crate::support::socket::TestSocket;

/// When guests check in, where nothing else is configured.
const CHECK_IN: NaiveTime = NaiveTime::from_hms_opt(15, 0, 0).unwrap();
const DAY: Duration = Duration::from_hours(24);

/// A server that looks often, by a clock that the test sets.
struct Hotel {
    app: TestApp,
    clock: Arc<SteppedClock>,
}

impl Hotel {
    async fn open(builder: TestAppBuilder) -> Self {
        let clock = Arc::new(SteppedClock::default());
        let builder = builder.with("BELLHOP__REMINDERS__INTERVAL_MS", "20");
        Self { app: builder.with_clock(Arc::<SteppedClock>::clone(&clock)).start().await, clock }
    }

    fn today(&self) -> NaiveDate {
        self.clock.now().to_utc().date_naive()
    }

    /// The day so many days from today.
    fn day(&self, ahead: u64) -> NaiveDate {
        self.today().checked_add_days(Days::new(ahead)).unwrap()
    }

    /// Makes it `before` check-in of that day.
    fn set(&self, day: NaiveDate, before: Duration) {
        let then: DateTime<Utc> = day.and_time(CHECK_IN).and_utc() - before;
        self.clock.step_forward((then - self.clock.now().to_utc()).to_std().unwrap());
    }

    /// A booking of `guest` with `host` for that day; answers its id.
    async fn book(&self, guest: &str, host: &str, day: NaiveDate) -> String {
        let mut body = booking(host);
        body["checkIn"] = json!(day);
        body["checkOut"] = json!(day.checked_add_days(Days::new(2)).unwrap());
        let booked = self.app.post("/bookings", &token(guest), &body).await.expect(201);
        booked["booking"]["id"].as_str().unwrap().to_owned()
    }

    async fn step(&self, who: &str, id: &str, step: &str) {
        self.app.post(&format!("/bookings/{id}/{step}"), &token(who), &json!({})).await.expect(200);
    }

    /// The same, accepted.
    async fn stay(&self, guest: &str, host: &str, day: NaiveDate) -> String {
        let id = self.book(guest, host, day).await;
        self.step(host, &id, "accept").await;
        id
    }

    /// Who was reminded of which booking.
    fn reminded(&self) -> Vec<(String, String)> {
        reminded(self.app.database_url())
    }

    async fn wait_for(&self, mut wanted: Vec<(String, String)>) {
        wanted.sort();
        wait_until_async(format_args!("reminders of {wanted:?}"), async || {
            (self.reminded().len() >= wanted.len()).then_some(())
        })
        .await;
        assert_eq!(self.reminded(), wanted);
    }
}

/// Of each notification that reminds: whom of what.
fn reminded(url: &str) -> Vec<(String, String)> {
    let sql = "SELECT booking_id || ' ' || user_id AS value FROM notifications \
        WHERE kind = 'booking.reminder' ORDER BY 1";
    let split = |text: String| {
        let (booking, user) = text.split_once(' ').unwrap();
        (booking.to_owned(), user.to_owned())
    };
    texts(url, sql).into_iter().map(split).collect()
}

/// Both parties of a booking of `guest` with `host`.
fn both(booking: &str) -> Vec<(String, String)> {
    ["guest", "host"].map(|user| (booking.to_owned(), user.to_owned())).to_vec()
}

/// A token that is good for longer than the clock is stepped.
fn token(user: &str) -> String {
    token_of(&json!({"userId": user, "role": "CUSTOMER", "exp": seconds_from_now(40 * 86_400)}))
}

async fn reminder(device: &mut TestSocket) -> Value {
    device.next_event("booking.reminder").await
}

build_on_both_databases! {
    async fn both_parties_are_reminded_once_a_day_before_check_in(builder) {
        let hotel = Hotel::open(builder).await;
        let (near, far) = (hotel.day(10), hotel.day(11));
        let mut host = hotel.app.connect_with(&token("host"), "").await;
        let mut guest = hotel.app.connect_with(&token("guest"), "").await;
        let later = hotel.stay("guest", "host", far).await;
        let first = hotel.stay("guest", "host", near).await;

        hotel.set(near, DAY);
        let told = [reminder(&mut host).await, reminder(&mut guest).await];
        for (told, (user, other)) in told.iter().zip([("host", "guest"), ("guest", "host")]) {
            assert_eq!(told["data"]["bookingId"], json!(first));
            assert_eq!((&told["userId"], &told["actorId"]), (&json!(user), &json!(other)));
            assert_eq!((&told["category"], &told["title"]), (&json!("bookings"), &json!("Check-in is near")));
            assert!(told["message"].as_str().unwrap().starts_with("Sea View, "), "{told}");
            assert_eq!(told["data"]["status"], "accepted");
        }
        hotel.wait_for(both(&first)).await;

        // The first is not told of again, by however many looks.
        hotel.set(far, DAY);
        for device in [&mut host, &mut guest] {
            assert_eq!(reminder(device).await["data"]["bookingId"], json!(later));
        }
        hotel.wait_for([both(&first), both(&later)].concat()).await;

        // It is a notification like any other: confirmed, and with a trail.
        host.events_so_far().await;
        hotel.app.wait_for_delivery(&told[0], "confirmed").await;
        let root = token_of(&json!({"userId": "root", "role": "ADMIN", "exp": seconds_from_now(40 * 86_400)}));
        let path = format!("/admin/notifications/{}/trail", told[0]["id"].as_str().unwrap());
        let trail = hotel.app.get(&path, &root).await.expect(200);
        assert_eq!(trail["notification"]["type"], "booking.reminder", "{trail}");
        assert_eq!(trail["trail"][1]["step"], "confirmed", "{trail}");
    }

    async fn who_accepts_late_is_reminded_at_once_and_nobody_of_what_is_over_or_off(builder) {
        let hotel = Hotel::open(builder.with("BELLHOP__REMINDERS__BEFORE", "3d")).await;
        let (past, tomorrow) = (hotel.today().checked_sub_days(Days::new(1)).unwrap(), hotel.day(1));
        hotel.stay("guest", "host", past).await;
        hotel.book("guest", "host", tomorrow).await;
        // Nobody was there to be reminded before it is cancelled.
        let cancelled = hotel.book("guest", "host", tomorrow).await;
        hotel.step("guest", &cancelled, "cancel").await;
        let accepted = hotel.stay("guest", "host", tomorrow).await;
        // Days of check-in are told in order: whoever else was due would have been told by now.
        hotel.wait_for(both(&accepted)).await;
        let last = hotel.stay("guest", "host", hotel.day(2)).await;
        hotel.wait_for([both(&accepted), both(&last)].concat()).await;
    }

    async fn what_came_due_while_the_server_was_down_is_told_late_unless_it_is_over(builder) {
        let mut hotel = Hotel::open(builder).await;
        let (over, ahead) = (hotel.day(5), hotel.day(6));
        hotel.stay("guest", "host", over).await;
        let late = hotel.stay("guest", "host", ahead).await;
        hotel.app.stop().await;
        hotel.set(ahead, Duration::from_mins(1));
        hotel.app.start_again().await;
        hotel.wait_for(both(&late)).await;
        // At check-in it is over, also for one that is accepted only then.
        let today = hotel.book("guest", "host", ahead).await;
        hotel.set(ahead, Duration::ZERO);
        hotel.step("host", &today, "accept").await;
        let next = hotel.stay("guest", "host", ahead.succ_opt().unwrap()).await;
        hotel.wait_for([both(&late), both(&next)].concat()).await;
    }

    async fn a_reminder_is_mailed_to_who_is_away_and_wants_mail(builder) {
        let sink = SmtpSink::start().await;
        let hotel = Hotel::open(crate::mail::set_up(builder, &sink)).await;
        let stay = hotel.stay("guest", "host", hotel.day(4)).await;
        // What was said before is not to be mailed once there is an address.
        wait_until_async("nothing to be pending", async || {
            hotel.app.deliveries().iter().all(|delivery| delivery.state == "suppressed").then_some(())
        })
        .await;
        for (user, preferences) in [
            ("host", json!({"email": "host@example.org"})),
            ("guest", json!({"email": "guest@example.org", "channels": {"bookings": {"email": false}}})),
        ] {
            hotel.app.put("/notifications/preferences", &token(user), &preferences).await.expect(200);
        }
        hotel.set(hotel.day(4), DAY);
        hotel.wait_for(both(&stay)).await;
        let mail = sink.wait_for(1, SOON).await.remove(0);
        assert_eq!(mail.to, ["host@example.org"]);
        assert!(mail.subject().starts_with("Check-in is near: Sea View, "), "{}", mail.subject());
        assert!(mail.text().contains(&stay), "{}", mail.text());
        let list = hotel.app.get("/notifications/list?type=booking.reminder", &token("guest")).await.expect(200);
        hotel.app.wait_for_delivery(&list["items"][0], "suppressed").await;
        assert_eq!(sink.mails().len(), 1);
    }
}

/// A server that reminds of a few bookings at a time.
async fn serve(url: &str) -> Process {
    let builder = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).with("DATABASE_URL", url);
    let builder = builder.with("BELLHOP__REMINDERS__BEFORE", "3d").with("BELLHOP__REMINDERS__BATCH", "2");
    builder.with("BELLHOP__REMINDERS__INTERVAL_MS", "20").serve().await
}

/// Each is killed in the middle and comes back, and the other goes on.
#[tokio::test]
async fn several_instances_remind_of_each_booking_once_although_they_are_killed() {
    const STAYS: usize = 600;
    let database = postgres::shared().create_database();
    let url = database.url();
    let mut instances = [serve(url).await, serve(url).await];
    // One host of all, so that the instances get into each other's way.
    execute(
        url,
        &format!(
            "INSERT INTO bookings (id, host_id, guest_id, listing_id, check_in, check_out, guests, status, \
             created_at, updated_at) SELECT gen_random_uuid()::text, 'host', 'guest-' || i % 50, 'sea-view', \
             current_date + 2, current_date + 4, 2, 'accepted', 0, 0 FROM generate_series(1, {STAYS}) AS i"
        ),
    );
    for (round, instance) in instances.iter_mut().enumerate() {
        let enough = (round + 1) * STAYS / 2;
        wait_until_async("some reminders", async || (reminded(url).len() >= enough).then_some(())).await;
        instance.signal(Signal::SIGKILL);
        let so_far = reminded(url).len();
        assert!(so_far < 2 * STAYS, "killed in the middle, not at the end: {so_far}");
        instance.restart().await;
    }
    wait_until_async("all reminders", async || (reminded(url).len() >= 2 * STAYS).then_some(())).await;
    let mut told = reminded(url);
    assert_eq!(told.len(), 2 * STAYS);
    told.dedup();
    assert_eq!(told.len(), 2 * STAYS, "nobody was told twice");
    let unmarked = texts(url, "SELECT id AS value FROM bookings WHERE reminded_at IS NULL");
    assert_eq!(unmarked, [""; 0]);
    let seqs = texts(url, "SELECT seq::text AS value FROM notifications WHERE user_id = 'host' ORDER BY seq");
    assert_eq!(seqs, (1..=STAYS).map(|seq| seq.to_string()).collect::<Vec<_>>(), "without a gap");
}
