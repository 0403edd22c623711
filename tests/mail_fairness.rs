//! One recipient whose mails are trouble, of every kind, and the others who must not notice: through
//! real SMTP conversations, over both databases.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::mail::{prefer, set_up, start};
use crate::support::app::TestApp;
use crate::support::both::build_on_both_databases;
use crate::support::deadline::{SOON, wait_until_async};
use crate::support::smtp_sink::{Behaviour, ReceivedMail, SmtpSink};

/// Makes an address known for each of these users.
async fn give_addresses(app: &TestApp, users: &[String]) {
    for user in users {
        prefer(app, user, json!({"email": address(user)})).await;
    }
}

fn address(user: &str) -> String {
    format!("{user}@example.org")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("host-{number}")).collect()
}

/// Books `count` times with one host, a few at a time.
async fn book_often(app: &TestApp, host: &str, count: usize) {
    stream::iter(0..count).for_each_concurrent(8, async |_| drop(app.book("guest-3", host).await)).await;
}

fn mails_to(sink: &SmtpSink, user: &str) -> Vec<ReceivedMail> {
    let address = address(user);
    sink.mails().into_iter().filter(|mail| mail.to == [address.clone()]).collect()
}

/// Asserts that nobody was mailed twice about the same.
fn assert_each_once(mails: &[ReceivedMail]) {
    let ids: BTreeSet<String> = mails.iter().map(ReceivedMail::message_id).collect();
    assert_eq!(ids.len(), mails.len());
}

fn is_about(mail: &ReceivedMail, made: &Value) -> bool {
    mail.message_id().contains(made["notification"]["id"].as_str().unwrap())
}

build_on_both_databases! {
    async fn fifty_slow_mails_to_one_recipient_hold_up_nobody_else(builder) {
        const SLOW_MAILS: usize = 50;
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        let others = names(20);
        give_addresses(&app, &others).await;
        give_addresses(&app, &["slow".to_owned()]).await;
        // Three answers each, so that one takes six seconds.
        sink.set_for(&address("slow"), Behaviour::Slow(Duration::from_secs(2)));
        book_often(&app, "slow", SLOW_MAILS).await;
        wait_until_async("a slow one to begin", async || (sink.connections() > 0).then_some(())).await;

        for other in &others {
            app.book("guest-3", other).await;
        }
        wait_until_async("the others' mails", async || {
            others.iter().all(|other| mails_to(&sink, other).len() == 1).then_some(())
        })
        .await;
        let before = mails_to(&sink, "slow").len();
        assert!(before <= 3, "{before} slow ones went first");

        sink.set_for(&address("slow"), Behaviour::Accept);
        let all = sink.wait_for(SLOW_MAILS + others.len(), SOON).await;
        assert_each_once(&all);
        wait_until_async("every delivery to end", async || {
            app.deliveries().iter().all(|one| one.state == "emailed" && one.attempts == 1).then_some(())
        })
        .await;
        assert_eq!(sink.mails().len(), all.len());
    }

    async fn one_recipients_trouble_of_any_kind_is_nobody_elses(builder) {
        let sink = SmtpSink::start().await;
        let app = start(builder, &sink).await;
        let others = names(10);
        give_addresses(&app, &others).await;
        give_addresses(&app, &["cut", "grey", "gone"].map(str::to_owned)).await;
        // The mail is taken, and the sender is not told so.
        sink.set_for(&address("cut"), Behaviour::CloseAfterData { recorded: true });
        sink.set_for(&address("grey"), Behaviour::Greylist);
        sink.set_for(&address("gone"), Behaviour::RejectRecipient(address("gone")));
        let cut = app.book("guest-3", "cut").await;
        let grey = app.book("guest-3", "grey").await;
        let gone = app.book("guest-3", "gone").await;
        for other in &others {
            app.book("guest-3", other).await;
        }

        wait_until_async("the others' mails", async || {
            others.iter().all(|other| mails_to(&sink, other).len() == 1).then_some(())
        })
        .await;
        let failed = app.wait_for_delivery(&gone["notification"], "failed").await;
        assert_eq!(failed.attempts, 1, "a refusal for good is not tried again: {failed:?}");
        let late = app.wait_for_delivery(&grey["notification"], "emailed").await;
        assert_eq!(late.attempts, 2);
        assert!(matches!(mails_to(&sink, "grey").as_slice(), [mail] if is_about(mail, &grey)));

        wait_until_async("another try", async || (mails_to(&sink, "cut").len() >= 2).then_some(())).await;
        assert_eq!(app.delivery(&cut["notification"]).state, "pending");
        sink.set_for(&address("cut"), Behaviour::Accept);
        app.wait_for_delivery(&cut["notification"], "emailed").await;
        assert!(mails_to(&sink, "cut").iter().all(|copy| is_about(copy, &cut)), "copies can be told");

        assert_eq!(mails_to(&sink, "gone"), []);
        assert_eq!(app.delivery(&gone["notification"]).attempts, 1);
        for other in &others {
            assert_eq!(mails_to(&sink, other).len(), 1, "{other} was mailed once");
        }
    }

    async fn what_waits_past_its_lease_is_mailed_once_and_counts_as_one_try(builder) {
        const MAILS: usize = 20;
        let sink = SmtpSink::start().await;
        let builder = set_up(builder, &sink).with("BELLHOP__MAIL__TIMEOUT_MS", "2000");
        let app = builder.with("BELLHOP__MAIL__LEASE_MS", "2500").start().await;
        give_addresses(&app, &["slow".to_owned()]).await;
        // In all they take twice as long as the lease.
        sink.set_for(&address("slow"), Behaviour::Slow(Duration::from_millis(80)));
        book_often(&app, "slow", MAILS).await;
        assert_each_once(&sink.wait_for(MAILS, SOON).await);
        wait_until_async("every delivery to end", async || {
            app.deliveries().iter().all(|delivery| delivery.state == "emailed").then_some(())
        })
        .await;
        assert!(app.deliveries().iter().all(|delivery| delivery.attempts == 1), "{:?}", app.deliveries());
        assert_eq!(sink.mails().len(), MAILS);
    }

    async fn more_mails_to_one_recipient_than_may_wait_all_go_out_once(builder) {
        const MAILS: usize = 30;
        let sink = SmtpSink::start().await;
        // With so many places, few may wait for each recipient.
        let app = set_up(builder, &sink).with("BELLHOP__MAIL__CONCURRENCY", "99").start().await;
        give_addresses(&app, &["slow", "host-8"].map(str::to_owned)).await;
        sink.set_for(&address("slow"), Behaviour::Slow(Duration::from_secs(2)));
        book_often(&app, "slow", MAILS).await;
        app.book("guest-3", "host-8").await;
        wait_until_async("the other's mail", async || {
            (mails_to(&sink, "host-8").len() == 1).then_some(())
        })
        .await;

        sink.set_for(&address("slow"), Behaviour::Accept);
        let mails = sink.wait_for(MAILS + 1, SOON * 2).await;
        assert_each_once(&mails);
        wait_until_async("every delivery to end", async || {
            app.deliveries().iter().all(|one| one.state == "emailed" && one.attempts == 1).then_some(())
        })
        .await;
    }
}
