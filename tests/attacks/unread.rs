//! Clients that send requests and do not read the answers: what they send is not gathered, costs the server no
//! processor, and is answered once they do read.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::app::JWT_SECRET;
use crate::support::deadline::{SOON, soon, wait_until_async};
use crate::support::port::free_port;
use crate::support::process::{Process, ProcessBuilder};
use crate::support::tunnel::Authority;

/// Of one connection.
const GROWTH_MAX: usize = 4 * 1024 * 1024;
/// Of each of many connections: two buffers, pieces of the answer that waits, and the few requests behind it.
const GROWTH_OF_MANY: usize = 384 * 1024;
const MANY: usize = 100;
/// Far more than the kernel and the server hold back together.
const REQUESTS: usize = 20_000;
/// For how long is looked at what a connection costs that only waits, and which part of it may be worked.
const WATCHED: Duration = Duration::from_millis(300);
const WORKED_MAX: Duration = Duration::from_millis(75);

/// A small answer, one without a body, one that is written at once, a large one, and a refusal.
const REQUESTED: [&str; 5] =
    ["GET /health", "HEAD /health", "GET /openapi.json", "GET /docs/swagger-ui-bundle.js", "GET /nowhere"];

fn head(requested: &str) -> String {
    format!("{requested} HTTP/1.1\r\nHost: a\r\n\r\n")
}

async fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends the same request again and again until no more is taken; answers how many were sent.
async fn send_on(connection: &mut TcpStream, request: &str) -> usize {
    let bytes = request.repeat(REQUESTS).into_bytes();
    let mut sent = 0;
    while sent < bytes.len() {
        let Ok(taken) = timeout(Duration::from_millis(500), connection.write(&bytes[sent..])).await else {
            break;
        };
        sent += taken.unwrap();
    }
    sent / request.len()
}

/// Waits until the server has done what it can, after which it has nothing to do: one that turns in circles never has.
async fn await_idle(process: &Process, meanwhile: &str) {
    wait_until_async(format_args!("{meanwhile}: the server rests"), async || {
        let before = process.cpu_time();
        sleep(WATCHED).await;
        (process.cpu_time().saturating_sub(before) < WORKED_MAX).then_some(())
    })
    .await;
}

async fn assert_costs_nothing(process: &Process, server: SocketAddr) {
    let mut unread = Vec::new();
    for requested in REQUESTED {
        let mut before = 0;
        // What is loaded once is not the flood's: the second is measured, and the first still there.
        for _ in 0..2 {
            before = process.resident_bytes();
            let mut connection = connect(server).await;
            let sent = send_on(&mut connection, &head(requested)).await;
            unread.push((connection, sent));
            await_idle(process, requested).await;
        }
        let grown = process.resident_bytes().saturating_sub(before);
        assert!(grown < GROWTH_MAX, "{requested}, {} times: {grown} bytes", unread.last().unwrap().1);
    }
    let (mut small, sent) = unread.swap_remove(0);
    let (mut text, mut bytes, mut answers) = (String::new(), vec![0; 65_536], 0);
    while answers < sent {
        let read = timeout(SOON, small.read(&mut bytes)).await.unwrap().unwrap();
        assert!(read > 0, "the connection ended after {answers} of {sent} answers");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        answers += text.matches("HTTP/1.1 200 OK\r\n").count();
        // The status line may be cut anywhere.
        text.drain(..text.rfind('\n').map_or(0, |end| end + 1));
    }
}

#[tokio::test]
async fn requests_whose_answers_are_not_read_are_not_gathered() {
    let process = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    assert_costs_nothing(&process, process.address()).await;
}

/// What anybody may do on each of thousands of connections must cost little on each.
#[tokio::test]
async fn many_who_send_little_and_read_nothing_cost_little() {
    let process = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    let requests = head("GET /docs/swagger-ui-bundle.js") + &head("GET /").repeat(280);
    let mut unread = Vec::new();
    let mut before = 0;
    for round in 0..2 {
        for _ in 0..MANY {
            let mut connection = connect(process.address()).await;
            soon("room to send", connection.write_all(requests.as_bytes())).await.unwrap();
            unread.push(connection);
        }
        await_idle(&process, "many").await;
        if round == 0 {
            before = process.resident_bytes();
        }
    }
    let each = process.resident_bytes().saturating_sub(before) / MANY;
    assert!(each < GROWTH_OF_MANY, "{each} bytes a connection");
}

#[tokio::test]
async fn requests_whose_answers_are_not_read_are_not_gathered_under_tls() {
    let (authority, port) = (Authority::new(), free_port());
    let process = ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("BELLHOP__SERVER__TLS_CERTIFICATE", &authority.certificate().to_string_lossy())
        .with("BELLHOP__SERVER__TLS_KEY", &authority.key().to_string_lossy())
        .with("PORT", &port.to_string())
        .spawn();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    wait_until_async("bellhop listens", async || authority.connect(server).await.ok()).await;
    let tunnel = authority.tunnel(server);
    assert_costs_nothing(&process, tunnel.address).await;
}

#[tokio::test]
async fn requests_behind_a_stream_are_not_gathered_and_its_end_is_noticed() {
    let process = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    let mut stream = connect(process.address()).await;
    stream.write_all(head("GET /notifications/sse/test").as_bytes()).await.unwrap();
    soon("the first event", stream.readable()).await.unwrap();
    let before = process.resident_bytes();
    send_on(&mut stream, &head("GET /health")).await;
    await_idle(&process, "behind a stream").await;
    let grown = process.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes");
    drop(stream);
    wait_until_async("the stream is over", async || (process.connections() == 0).then_some(())).await;
}
