//! What people read: the whole of a booking's mail, and every kind of input that must not harm it.

use serde_json::json;
use serde_json::value::to_raw_value;
use url::Url;

use super::{Composer, MailLinks};
use crate::domain::notification::{Content, Priority};
use crate::domain::{Category, Notification, NotificationId, Preferences, Recipient, Timestamp, UserId};
use crate::email::{Mail, MailError, MailSetupError, message};

const FROM: &str = "Bellhop <bellhop@mail.example>";

fn composer() -> Composer {
    Composer::new("https://bookings.example/inbox?tab=new&lang=en", FROM).unwrap()
}

fn host() -> Recipient {
    Recipient {
        user: UserId::from_stored("host-7".to_owned()),
        email: Some("host@example.org".to_owned()),
        name: Some("Zoë".to_owned()),
        locale: None,
        time_zone: None,
        preferences: Preferences::default(),
    }
}

fn notification(kind: &str, title: &str, message: &str, data: &serde_json::Value) -> Notification {
    Notification {
        id: NotificationId::parse("id", "0198a1b2-0000-7000-8000-000000000001").unwrap(),
        user: UserId::from_stored("host-7".to_owned()),
        seq: 42,
        kind: kind.to_owned(),
        category: Category::of_type(kind),
        content: Content {
            priority: Priority::High,
            title: title.to_owned(),
            message: message.to_owned(),
            actor_id: Some("guest-3".to_owned()),
            actor_name: Some("Guest Three".to_owned()),
            actor_avatar: None,
            data: Some(to_raw_value(data).unwrap()),
        },
        created_at: Timestamp::from_micros(1_767_713_445_123_000),
        read_at: None,
        request: None,
    }
}

fn new_booking() -> Notification {
    notification(
        "booking.created",
        "New booking",
        "Sea View is booked, 3–5 Dec, 2 guests",
        &json!({
            "bookingId": "0198a1b2-0000-7000-8000-0000000000aa",
            "listingId": "listing-1",
            "listingName": "Sea View",
            "checkIn": "2026-12-03",
            "checkOut": "2026-12-05",
            "guests": 2,
            "status": "pending",
        }),
    )
}

fn compose(notification: &Notification) -> Mail {
    composer().compose(notification, &host(), None).unwrap()
}

fn links(server: &str) -> MailLinks {
    let at = |path: &str| Url::parse(&format!("{server}/{path}")).unwrap();
    MailLinks { preferences: at("choose?a=1&b=2#key=abc"), unsubscribe: at("stop?key=abc") }
}

/// The mail's head as it travels, without the parts.
fn head(mail: &Mail) -> String {
    let from = message::parse_from(FROM).unwrap();
    let bytes = message::build(&from, mail).unwrap().formatted();
    let all = String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
    all.split_once("\n\n").unwrap().0.to_owned()
}

#[test]
fn a_bookings_mail_says_everything_in_plain_text() {
    insta::assert_snapshot!(compose(&new_booking()).text, @"
    Hello Zoë,

    New booking

    Sea View is booked, 3–5 Dec, 2 guests

    Your guest is waiting for an answer: please accept or cancel the booking.

    Listing:    Sea View (listing-1)
    Check-in:   Thu 3 Dec 2026
    Check-out:  Sat 5 Dec 2026
    Nights:     2
    Guests:     2
    Guest:      Guest Three
    Booking:    0198a1b2-0000-7000-8000-0000000000aa

    Open it here:
    https://bookings.example/inbox?tab=new&lang=en

    --
    You get this mail because none of your devices confirmed the
    notification in time.
    ");
}

#[test]
fn a_bookings_mail_has_the_headers_that_a_machine_should_send() {
    let links = links("https://notify.example");
    let mail = composer().compose(&new_booking(), &host(), Some(&links)).unwrap();
    insta::assert_snapshot!(head(&mail), @r#"
    From: Bellhop <bellhop@mail.example>
    To: =?utf-8?b?Wm/Dqw==?= <host@example.org>
    Subject: New booking: Sea View, =?utf-8?b?M+KAkzU=?= Dec 2026
    Message-ID: <0198a1b2-0000-7000-8000-000000000001@bookings.example>
    Date: Tue, 06 Jan 2026 15:30:45 +0000
    Auto-Submitted: auto-generated
    List-Unsubscribe: <https://notify.example/stop?key=abc>
    List-Unsubscribe-Post: List-Unsubscribe=One-Click
    MIME-Version: 1.0
    Content-Type: multipart/alternative; boundary="=_bellhop_alternative"
    "#);
}

#[test]
fn the_html_part_names_the_same_facts_and_links_to_the_front_end() {
    let html = compose(&new_booking()).html;
    for fact in ["Zoë", "Sea View (listing-1)", "Thu 3 Dec 2026", "0198a1b2-0000-7000-8000-0000000000aa"] {
        assert!(html.contains(fact), "{fact} in {html}");
    }
    assert!(html.contains("href=\"https://bookings.example/inbox?tab=new&amp;lang=en\""), "{html}");
    assert!(!html.contains("Choose what"), "there is nowhere to choose");
}

#[test]
fn both_parts_say_where_to_choose_what_comes_by_mail() {
    let links = links("http://notify.example");
    let mail = composer().compose(&new_booking(), &host(), Some(&links)).unwrap();
    assert!(
        mail.text.ends_with("Choose what you get by mail:\nhttp://notify.example/choose?a=1&b=2#key=abc\n"),
        "{}",
        mail.text
    );
    let link = "<a href=\"http://notify.example/choose?a=1&amp;b=2#key=abc\" target=\"_blank\"";
    assert!(mail.html.contains(link), "{}", mail.html);
    assert!(!head(&mail).contains("List-Unsubscribe"), "nobody may listen in on that");
}

#[test]
fn subjects_name_listing_and_dates_for_every_type_of_booking() {
    let subject = |kind: &str, title: &str| {
        compose(&Notification {
            kind: kind.to_owned(),
            content: Content { title: title.to_owned(), ..new_booking().content },
            ..new_booking()
        })
        .subject
    };
    assert_eq!(subject("booking.created", "New booking"), "New booking: Sea View, 3–5 Dec 2026");
    assert_eq!(subject("booking.accepted", "Booking accepted"), "Booking accepted: Sea View, 3–5 Dec 2026");
    assert_eq!(subject("booking.completed", " "), "Booking completed: Sea View, 3–5 Dec 2026");
    assert_eq!(subject("booking.cancelled", ""), "Booking cancelled: Sea View, 3–5 Dec 2026");
    assert_eq!(subject("booking.reminder", ""), "Check-in is near: Sea View, 3–5 Dec 2026");
}

#[test]
fn stays_over_months_and_years_say_so() {
    let subject = |from: &str, to: &str| {
        let data = json!({ "listingId": "l-1", "checkIn": from, "checkOut": to });
        compose(&notification("booking.created", "New booking", "", &data)).subject
    };
    assert_eq!(subject("2026-11-30", "2026-12-02T10:00:00Z"), "New booking: l-1, 30 Nov – 2 Dec 2026");
    assert_eq!(subject("2026-12-30", "2027-01-02"), "New booking: l-1, 30 Dec 2026 – 2 Jan 2027");
}

#[test]
fn any_other_type_says_its_title_and_message() {
    let mail =
        compose(&notification("LIKE", "A like", "Somebody likes\r\n\r\nyour flat", &json!({"bookingId": 7})));
    assert_eq!(mail.subject, "A like");
    insta::assert_snapshot!(mail.text, @"
    Hello Zoë,

    A like

    Somebody likes

    your flat

    From:  Guest Three

    Open it here:
    https://bookings.example/inbox?tab=new&lang=en

    --
    You get this mail because none of your devices confirmed the
    notification in time.
    ");
}

#[test]
fn data_of_another_shape_leaves_facts_out_and_the_mail_goes() {
    for data in [
        json!(null),
        json!([1, 2]),
        json!("text"),
        json!({"bookingId": {}, "listingId": 7, "checkIn": "soon", "checkOut": "2026-12-é5", "guests": -1}),
        json!({"checkIn": "2026-12-05", "checkOut": "2026-12-03"}),
    ] {
        let mail = compose(&notification("booking.created", "New booking", "Booked", &data));
        assert!(mail.subject.starts_with("New booking"), "{data}");
        assert!(!mail.text.contains("Nights"), "{data}");
    }
}

#[test]
fn markup_in_names_stays_text() {
    let mut bad = new_booking();
    bad.content.title = "<script>alert(1)</script>".to_owned();
    bad.content.message = "<img src=x onerror=alert(1)> & \"more\"".to_owned();
    bad.content.actor_name = Some("</td></table>".to_owned());
    let mut recipient = host();
    recipient.name = Some("<b>Zoë</b> {{ 7 * 7 }}".to_owned());
    let mail = composer().compose(&bad, &recipient, None).unwrap();
    for tag in ["<script", "<img", "<b>", "</td></table>\n</td>\n</tr>\n</td></table>"] {
        assert!(!mail.html.contains(tag), "{tag} in {}", mail.html);
    }
    assert!(mail.text.contains("Hello <b>Zoë</b> {{ 7 * 7 }},"), "{}", mail.text);
}

#[test]
fn line_breaks_in_names_add_neither_headers_nor_lines() {
    let mut bad = new_booking();
    bad.content.title = "New\r\nBcc: spy@example.org\r\n\r\nbooking".to_owned();
    bad.content.actor_name = Some("Guest\nBooking:    none".to_owned());
    let mut recipient = host();
    recipient.name = Some("Zoë\r\nTo: spy@example.org".to_owned());
    let mail = composer().compose(&bad, &recipient, None).unwrap();
    assert!(mail.subject.starts_with("New Bcc: spy@example.org booking"), "{}", mail.subject);
    assert!(mail.text.contains("Guest:      Guest Booking: none\n"), "{}", mail.text);
    assert!(!head(&mail).lines().any(|line| line.starts_with("Bcc")), "{}", head(&mail));
}

#[test]
fn every_attempt_writes_the_same_mail() {
    assert!(compose(&new_booking()) == compose(&new_booking()));
}

#[test]
fn without_a_public_address_the_senders_domain_names_the_mail() {
    let composer = Composer::new("", FROM).unwrap();
    let mut nobody = host();
    nobody.name = None;
    let mail = composer.compose(&new_booking(), &nobody, None).unwrap();
    assert_eq!(mail.message_id, "<0198a1b2-0000-7000-8000-000000000001@mail.example>");
    assert!(mail.text.starts_with("Hello,\n"), "{}", mail.text);
    assert!(!mail.text.contains("Open it here"), "{}", mail.text);
}

#[test]
fn the_address_that_a_person_chose_goes_before_the_tokens() {
    let mut chosen = host();
    chosen.preferences.email = Some("chosen@example.com".to_owned());
    for token in [Some("token@example.com".to_owned()), None] {
        chosen.email = token;
        let mail = composer().compose(&new_booking(), &chosen, None).unwrap();
        assert_eq!(mail.to.address, "chosen@example.com");
    }
}

#[test]
fn nobody_without_an_address_is_written_to() {
    let mut unreachable = host();
    unreachable.email = None;
    let error = composer().compose(&new_booking(), &unreachable, None).unwrap_err();
    assert_eq!(error, MailError::Permanent("the recipient has no address".to_owned()));
}

#[test]
fn settings_that_name_no_web_address_or_sender_are_refused() {
    for url in ["bookings.example", "javascript:alert(1)", "ftp://bookings.example"] {
        assert!(matches!(Composer::new(url, FROM), Err(MailSetupError::PublicUrl)), "{url}");
    }
    for from in ["", "Bellhop", "Bellhop <>", "a@b@", "<x@y"] {
        assert!(matches!(Composer::new("", from), Err(MailSetupError::From)), "{from}");
    }
    for from in ["bellhop@localhost", "Bellhop <bellhop@localhost>", "\"Büro, 3\" <b@büro.example>"] {
        assert!(Composer::new("", from).is_ok(), "{from}");
    }
}
