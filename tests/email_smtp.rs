//! Mail leaving the house: `email::open` against a real SMTP conversation and against a folder.

use std::sync::Arc;
use std::time::Duration;

use bellhop::config::{MailSettings, SecretUrl};
use bellhop::domain::Timestamp;
use bellhop::email::{self, Addressee, Mail, MailError, Mailer};

use crate::support::smtp_sink::{Behaviour, ReceivedMail, Security, SinkOptions, SmtpSink};

const SOON: Duration = Duration::from_secs(5);
const MESSAGE_ID: &str = "<0198a1b2-0000-7000-8000-000000000001@bookings.example>";

fn settings(smtp_url: &str, outbox: &str) -> MailSettings {
    MailSettings {
        smtp_url: SecretUrl::new(smtp_url.to_owned()),
        from: "Bellhop <bellhop@bookings.example>".to_owned(),
        outbox: outbox.to_owned(),
        concurrency: 2,
        timeout_ms: 5_000,
        lease_ms: 120_000,
        retry_first_ms: 5_000,
        retry_longest_ms: 3_600_000,
        give_up_after_ms: 86_400_000,
    }
}

fn mailer(url: &str) -> Arc<dyn Mailer> {
    email::open(&settings(url, "")).unwrap()
}

fn impatient(url: &str) -> Arc<dyn Mailer> {
    email::open(&MailSettings { timeout_ms: 400, ..settings(url, "") }).unwrap()
}

fn mail_to(address: &str) -> Mail {
    Mail {
        message_id: MESSAGE_ID.to_owned(),
        to: Addressee { address: address.to_owned(), name: None },
        date: Timestamp::from_micros(1_767_713_445_123_000),
        subject: "New booking".to_owned(),
        text: "Hello,\n\n.a line that starts with a dot\n..and one with two\nlast\n".to_owned(),
        html: "<p>Hello,</p>".to_owned(),
        headers: vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
    }
}

fn mail() -> Mail {
    mail_to("host@example.org")
}

async fn sink(security: Security, login: Option<(&str, &str)>) -> SmtpSink {
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    SmtpSink::start_with(SinkOptions { security, login }).await
}

fn temporary(result: Result<(), MailError>) -> String {
    match result {
        Err(MailError::Temporary(text)) => text,
        other => panic!("wanted a temporary error, got {other:?}"),
    }
}

fn permanent(result: Result<(), MailError>) -> String {
    match result {
        Err(MailError::Permanent(text)) => text,
        other => panic!("wanted a permanent error, got {other:?}"),
    }
}

#[tokio::test]
async fn a_mail_arrives_with_envelope_headers_and_both_parts() {
    let sink = SmtpSink::start().await;
    mailer(&sink.url()).send(&mail()).await.unwrap();

    let got = sink.wait_for(1, SOON).await.remove(0);
    assert_eq!(got.from, "bellhop@bookings.example");
    assert_eq!(got.to, ["host@example.org"]);
    assert_eq!(got.message_id(), MESSAGE_ID);
    assert_eq!(got.subject(), "New booking");
    assert_eq!(got.header("Date").unwrap(), "Tue, 06 Jan 2026 15:30:45 +0000");
    assert_eq!(got.header("Auto-Submitted").unwrap(), "auto-generated");
    assert_eq!(got.text(), mail().text);
    assert_eq!(got.html(), mail().html);
}

#[tokio::test]
async fn a_mail_goes_through_starttls() {
    let sink = sink(Security::StartTls, Some(("bell", "hop"))).await;
    mailer(&sink.url()).send(&mail()).await.unwrap();
    assert_eq!(sink.wait_for(1, SOON).await[0].message_id(), MESSAGE_ID);
}

#[tokio::test]
async fn a_mail_goes_through_implicit_tls() {
    let sink = sink(Security::Implicit, Some(("bell", "hop"))).await;
    mailer(&sink.url()).send(&mail()).await.unwrap();
    assert_eq!(sink.wait_for(1, SOON).await[0].message_id(), MESSAGE_ID);
}

#[tokio::test]
async fn required_tls_sends_nothing_to_a_server_without_it() {
    let plain = sink(Security::Plain, Some(("bell", "hop"))).await;
    let url = format!("{}?tls=required", plain.url());
    let text = temporary(mailer(&url).send(&mail()).await);
    assert_eq!(text, "STARTTLS: the mail server does not offer what is needed");
    assert!(plain.mails().is_empty());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let sink = sink(Security::Implicit, None).await;
    let url = format!("smtps://{}", sink.address());
    let text = temporary(mailer(&url).send(&mail()).await);
    assert_eq!(text, "connecting: invalid peer certificate: UnknownIssuer");
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn a_percent_encoded_password_logs_in() {
    let sink = sink(Security::Plain, Some(("bell@bookings.example", "p:a/s@s+"))).await;
    mailer(&sink.url()).send(&mail()).await.unwrap();
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_temporary_because_it_concerns_every_mail() {
    let sink = sink(Security::Plain, Some(("bell", "right"))).await;
    let text = temporary(mailer(&sink.url_with_login(Some(("bell", "wrong")))).send(&mail()).await);
    assert_eq!(text, "AUTH: the mail server answered 535 5.7.8");
    let text = temporary(mailer(&sink.url_with_login(None)).send(&mail()).await);
    assert_eq!(text, "MAIL FROM: the mail server answered 530 5.7.0");
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn greylisting_is_temporary_and_the_second_attempt_arrives() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::Greylist);
    let mailer = mailer(&sink.url());
    let text = temporary(mailer.send(&mail()).await);
    assert_eq!(text, "RCPT TO: the mail server answered 451 4.7.1");
    mailer.send(&mail()).await.unwrap();
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_busy_server_is_temporary() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::Busy);
    let text = temporary(mailer(&sink.url()).send(&mail()).await);
    assert_eq!(text, "MAIL FROM: the mail server answered 421 4.3.2");
}

#[tokio::test]
async fn a_refused_recipient_is_permanent_and_the_next_mail_arrives() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::RejectRecipient("nobody@example.org".to_owned()));
    let mailer = mailer(&sink.url());
    let text = permanent(mailer.send(&mail_to("nobody@example.org")).await);
    assert_eq!(text, "RCPT TO: the mail server answered 550 5.1.1");
    mailer.send(&mail()).await.unwrap();
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn refused_content_is_permanent() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::RejectContent);
    let text = permanent(mailer(&sink.url()).send(&mail()).await);
    assert_eq!(text, "end of the mail: the mail server answered 554 5.6.0");
}

#[tokio::test]
async fn a_refused_sender_is_temporary_because_it_concerns_every_mail() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::RejectSender);
    let text = temporary(mailer(&sink.url()).send(&mail()).await);
    assert_eq!(text, "MAIL FROM: the mail server answered 550 5.7.1");
}

#[tokio::test]
async fn a_text_that_is_no_address_is_permanent_and_not_repeated_in_the_error() {
    let sink = SmtpSink::start().await;
    for address in ["nobody", "a@b@c", "x@", "@example.org", "x@example.org\r\nRCPT TO:<y@example.org>"] {
        let text = permanent(mailer(&sink.url()).send(&mail_to(address)).await);
        assert_eq!(text, "the recipient's address is not one");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_slow_server_is_temporary_and_its_connection_is_not_used_again() {
    let sink = SmtpSink::start().await;
    let mailer = impatient(&sink.url());
    mailer.send(&mail()).await.unwrap();
    sink.set(Behaviour::Slow(Duration::from_millis(300)));
    let text = temporary(mailer.send(&mail()).await);
    assert_eq!(text, "the mail server took longer than 400 ms");

    sink.set(Behaviour::Accept);
    sink.clear();
    mailer.send(&mail_to("second@example.org")).await.unwrap();
    let got = sink.wait_for(1, SOON).await;
    assert_eq!(got.last().unwrap().to, ["second@example.org"]);
    assert_eq!(got.last().unwrap().text(), mail().text);
}

#[tokio::test]
async fn a_refused_connection_is_temporary() {
    let sink = SmtpSink::start().await;
    let url = sink.url();
    let address = sink.address();
    drop(sink);
    // The port is free once the listener's task has ended.
    let free = async {
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, free).await.unwrap();
    let text = temporary(mailer(&url).send(&mail()).await);
    assert!(text.starts_with("connecting: Connection refused"), "{text}");
}

#[tokio::test]
async fn a_host_that_has_no_address_is_temporary() {
    let text = temporary(mailer("smtp://nowhere.invalid:25").send(&mail()).await);
    assert!(text.starts_with("connecting: "), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_temporary() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::CloseOnConnect);
    temporary(mailer(&sink.url()).send(&mail()).await);
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_temporary_and_the_copy_has_the_same_bytes() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::CloseAfterData { recorded: true });
    let mailer = mailer(&sink.url());
    temporary(mailer.send(&mail()).await);
    sink.set(Behaviour::Accept);
    mailer.send(&mail()).await.unwrap();

    let got = sink.wait_for(2, SOON).await;
    assert_eq!(got[0], got[1]);
    assert_eq!(got[0].message_id(), MESSAGE_ID);
}

#[tokio::test]
async fn connections_are_used_again_and_a_dead_one_is_replaced() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&sink.url());
    for _ in 0..3 {
        mailer.send(&mail()).await.unwrap();
    }
    assert_eq!((sink.mails().len(), sink.connections()), (3, 1));

    sink.set(Behaviour::CloseOnConnect);
    temporary(mailer.send(&mail()).await);
    sink.set(Behaviour::Accept);
    mailer.send(&mail()).await.unwrap();
    assert_eq!(sink.mails().len(), 4);
}

#[tokio::test]
async fn no_more_connections_are_made_than_may_be_under_way() {
    let sink = SmtpSink::start().await;
    sink.set(Behaviour::Slow(Duration::from_millis(5)));
    let mailer = mailer(&sink.url());
    let mails: Vec<Mail> = (0..8).map(|n| mail_to(&format!("host-{n}@example.org"))).collect();
    let (a, b) = mails.split_at(4);
    let send = |half: Vec<Mail>, mailer: Arc<dyn Mailer>| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for mail in half {
            let mailer = mailer.clone();
            tasks.spawn(async move { mailer.send(&mail).await });
        }
        tasks.join_all().await
    };
    let (first, second) = tokio::join!(send(a.to_vec(), mailer.clone()), send(b.to_vec(), mailer));
    assert!(first.into_iter().chain(second).all(|result| result.is_ok()));
    assert_eq!(sink.mails().len(), 8);
    assert!(sink.connections() <= 2, "{} connections", sink.connections());
}

#[tokio::test]
async fn names_and_subjects_of_any_script_arrive_as_written() {
    let sink = SmtpSink::start().await;
    let name = "Zoë \"Seeblick\" Šťastná, 민박";
    let subject = format!("Neue Buchung: {} – 海の見える家 🏡", "Ferienwohnung Übersee ".repeat(6).trim());
    let text = "Grüße aus 東京 – 3–5 Dec\n".to_owned() + &"ä".repeat(3_000) + "\n";
    let mut unicode = mail();
    unicode.to.name = Some(name.to_owned());
    (unicode.subject, unicode.text) = (subject.clone(), text.clone());
    mailer(&sink.url()).send(&unicode).await.unwrap();

    let got = sink.wait_for(1, SOON).await.remove(0);
    assert_eq!(got.subject(), subject);
    assert_eq!(got.text(), text);
    let to = got.header("To").unwrap();
    assert!(to.contains("Zoë") && to.ends_with("<host@example.org>"), "{to}");
    assert!(got.raw.is_ascii(), "everything is encoded");
    let longest = got.raw.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
    assert!(longest <= 998, "a line has {longest} bytes");
}

#[tokio::test]
async fn addresses_of_any_script_arrive() {
    let sink = SmtpSink::start().await;
    let mailer = mailer(&sink.url());
    mailer.send(&mail_to("host@bücher.example")).await.unwrap();
    mailer.send(&mail_to("zoë@example.org")).await.unwrap();
    let got = sink.wait_for(2, SOON).await;
    assert_eq!(got[0].to, ["host@xn--bcher-kva.example"]);
    assert_eq!(got[1].to, ["zoë@example.org"]);
}

#[tokio::test]
async fn line_breaks_cannot_add_headers_or_recipients() {
    let sink = SmtpSink::start().await;
    let attack = "Sea\r\nBcc: spy@example.org\r\n\r\nView\u{2028}\u{85}\0\u{202e}";
    let mut bad = mail();
    bad.to.name = Some(attack.to_owned());
    bad.subject = attack.to_owned();
    bad.message_id = format!("<1@bookings.example>\r\n{attack}");
    bad.headers.push(("X-Listing".to_owned(), attack.to_owned()));
    bad.text = "\r\n.\r\nQUIT\r\n\n.\n".to_owned();
    mailer(&sink.url()).send(&bad).await.unwrap();

    let got = sink.wait_for(1, SOON).await.remove(0);
    assert_eq!(got.to, ["host@example.org"]);
    assert_eq!(got.header("Bcc"), None);
    assert_eq!(got.subject(), "Sea Bcc: spy@example.org View");
    assert_eq!(got.header("X-Listing").unwrap(), "Sea Bcc: spy@example.org View");
    assert_eq!(
        got.header_names(),
        [
            "From",
            "To",
            "Subject",
            "Message-ID",
            "Date",
            "Auto-Submitted",
            "X-Listing",
            "MIME-Version",
            "Content-Type"
        ]
    );
    assert_eq!(got.text(), "\n.\nQUIT\n\n.\n");
}

#[tokio::test]
async fn a_header_whose_name_is_not_one_is_permanent() {
    let sink = SmtpSink::start().await;
    let mut bad = mail();
    bad.headers.push(("X-Evil: yes\r\nBcc".to_owned(), "spy@example.org".to_owned()));
    assert_eq!(permanent(mailer(&sink.url()).send(&bad).await), "a header's name is not one");
}

#[tokio::test]
async fn the_outbox_gets_one_file_per_mail_however_often_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("data/outbox");
    let mailer = email::open(&settings("", outbox.to_str().unwrap())).unwrap();
    for _ in 0..3 {
        mailer.send(&mail()).await.unwrap();
    }
    let mut other = mail();
    other.message_id = "<../../2@bookings.example>".to_owned();
    mailer.send(&other).await.unwrap();

    let mut names: Vec<String> =
        outbox.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "20260106T153045.123Z-.._.._2@bookings.example.eml",
            "20260106T153045.123Z-0198a1b2-0000-7000-8000-000000000001@bookings.example.eml"
        ]
    );
}

#[tokio::test]
async fn a_file_has_the_bytes_that_smtp_carries() {
    let folder = tempfile::tempdir().unwrap();
    let sink = SmtpSink::start().await;
    email::open(&settings("", folder.path().to_str().unwrap())).unwrap().send(&mail()).await.unwrap();
    mailer(&sink.url()).send(&mail()).await.unwrap();

    let file = folder.path().read_dir().unwrap().next().unwrap().unwrap();
    let written = ReceivedMail::from_raw(std::fs::read(file.path()).unwrap());
    assert_eq!(written.text(), mail().text);
    // SMTP ends the last line if the mail does not.
    assert_eq!(written.raw.trim_ascii_end(), sink.mails()[0].raw.trim_ascii_end());
}

#[tokio::test]
async fn an_outbox_that_is_lost_is_made_again_or_is_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    let mailer = email::open(&settings("", outbox.to_str().unwrap())).unwrap();
    std::fs::remove_dir(&outbox).unwrap();
    mailer.send(&mail()).await.unwrap();
    std::fs::remove_dir_all(&outbox).unwrap();
    std::fs::write(&outbox, "in the way").unwrap();
    temporary(mailer.send(&mail()).await);
}
