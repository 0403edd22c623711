//! A server that is stopped or killed and starts again on its port: front ends come back by themselves, with
//! the reconnection settings they have, and what they missed is there, each notification once.

use serde_json::{Value, json};

use super::with_cookie;
use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, token_for};
use crate::support::deadline::soon;
use crate::support::node::{Client, NodeClient, events, with_both_clients, with_every_client};
use crate::support::process::{Process, ProcessBuilder};

async fn server() -> Process {
    ProcessBuilder::new(&[])
        .with("JWT_SECRET", JWT_SECRET)
        .with("RATE_LIMIT_MAX_REQUESTS", "100000")
        .with("BELLHOP__SERVER__DRAIN_SPREAD_MS", "10")
        .serve()
        .await
}

/// How a server goes.
#[derive(Debug, Clone, Copy)]
enum End {
    Stopped,
    Killed,
}

impl End {
    async fn come_to(self, server: &mut Process) {
        match self {
            Self::Stopped => assert_eq!(soon("the end", async { server.terminate() }).await.code(), Some(0)),
            Self::Killed => server.kill(),
        }
    }
}

/// Tells the user something; answers its seq.
async fn like(server: &Process) -> i64 {
    let body =
        json!({"type": "LIKE", "message": "John liked your post", "userId": "7", "data": {"postId": "p"}});
    let request = reqwest::Client::new().post(server.url("/notifications")).json(&body);
    let told = Answer::of(request.bearer_auth(token_for("backend", &["SERVICE"]))).await.expect(201);
    told["notifications"][0]["seq"].as_i64().unwrap()
}

fn settings(server: &Process, more: &Value) -> Value {
    let token = token_for("7", &[]);
    let mut settings = json!({"server": server.url(""), "user": "7", "token": token});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// Waits until the front end has noticed that the server is gone.
async fn await_loss(page: &mut NodeClient) {
    let reason = page.await_line("disconnect").await;
    let lost = ["transport close", "transport error", "ping timeout"];
    assert!(lost.iter().any(|known| reason == *known), "{reason}");
}

/// The seqs of what came under a name, in the order in which it came.
async fn seqs(page: &mut NodeClient, name: &str) -> Vec<i64> {
    let lines = page.lines_so_far().await;
    events(&lines, name).into_iter().map(|event| event["seq"].as_i64().unwrap()).collect()
}

/// The hook of the cookie, which says nothing of what it has: version 4 recovers, version 3 asks the API.
async fn the_hook_comes_back(client: &Client, end: End) {
    let mut server = server().await;
    let cookie = with_cookie(&token_for("7", &[]));
    let bell = settings(&server, &json!({"token": null, "options": cookie}));
    let mut bell = client.run("visual_architecture.mjs", &bell);
    bell.await_line("✅ Subscribed:").await;
    assert_eq!(bell.await_line("connect").await["recovered"], false);
    assert_eq!(like(&server).await, 1);
    bell.await_line("🔔 Got notification:").await;

    end.come_to(&mut server).await;
    await_loss(&mut bell).await;
    server.restart().await;
    assert_eq!(like(&server).await, 2);
    assert_eq!(bell.await_line("connect").await["recovered"], client.recovers());
    // It subscribes anew each time, as its code says.
    bell.await_line("✅ Subscribed:").await;
    assert_eq!(like(&server).await, 3);
    while bell.await_line("🔔 Got notification:").await["seq"] != 3 {}

    let seqs = seqs(&mut bell, "notification").await;
    // Where it came back before the second was told, version 3 has it as well.
    let gapless = seqs == [1, 2, 3];
    assert!(gapless || (!client.recovers() && seqs == [1, 3]), "{seqs:?}");
    let count =
        reqwest::Client::new().get(server.url("/notifications/count")).bearer_auth(token_for("7", &[]));
    let count = Answer::of(count).await.expect(200);
    assert_eq!([&count["unread"], &count["total"], &count["seq"]], [3, 3, 3]);
    bell.leave("unmount").await;
}

/// The page that says what it has gets what it missed, with either version.
async fn a_page_that_remembers_comes_back(client: &Client, end: End) {
    let mut server = server().await;
    // Late enough for something to be missed.
    let patience = json!({"reconnectionDelay": 3_000, "randomizationFactor": 0});
    let page = settings(&server, &json!({"resumes": true, "options": patience}));
    let mut page = client.run("rabbitmq_bridge.mjs", &page);
    page.await_event("joinedRoom").await;
    page.await_line("connect").await;
    assert_eq!(like(&server).await, 1);
    page.await_line("alert").await;

    end.come_to(&mut server).await;
    await_loss(&mut page).await;
    server.restart().await;
    for seq in 2..=3 {
        assert_eq!(like(&server).await, seq);
    }
    page.await_line("connect").await;
    page.await_event("joinedRoom").await;
    assert_eq!(like(&server).await, 4);
    for seq in 2..=4 {
        assert_eq!(page.await_line("alert").await["seq"], seq);
    }
    assert_eq!(seqs(&mut page, "notification:new").await, [1, 2, 3, 4]);
    page.leave("disconnect").await;
}

with_every_client! {
    async fn the_hook_survives_a_restart(client) {
        the_hook_comes_back(&client, End::Stopped).await;
    }

    async fn the_hook_survives_a_kill(client) {
        the_hook_comes_back(&client, End::Killed).await;
    }

    async fn a_page_that_says_what_it_has_survives_a_restart(client) {
        a_page_that_remembers_comes_back(&client, End::Stopped).await;
    }

    async fn a_page_that_says_what_it_has_survives_a_kill(client) {
        a_page_that_remembers_comes_back(&client, End::Killed).await;
    }
}

with_both_clients! {
    async fn every_front_end_returns_after_a_restart(client) {
        let mut server = server().await;
        let cookie = json!({"token": null, "options": with_cookie(&token_for("7", &[]))});
        let ways = |way: &str| ("presence_sse.mjs", json!({"way": way}), "booking.created");
        let mut pages = Vec::new();
        for (script, more, event) in [
            ("gateway_jwt.mjs", json!({}), "notification"),
            ("hybrid_roadmap.mjs", json!({"room": "host-7"}), "new_booking"),
            ("visual_architecture.mjs", cookie, "notification"),
            ("rabbitmq_bridge.mjs", json!({}), "notification:new"),
            ways("header"),
            ways("query"),
            ways("auth"),
            ways(""),
        ] {
            let mut page = client.run(script, &settings(&server, &more));
            page.await_event("connected").await;
            page.await_line("connect").await;
            pages.push((page, event));
        }
        End::Stopped.come_to(&mut server).await;
        for (page, _) in &mut pages {
            await_loss(page).await;
        }
        server.restart().await;
        for (page, event) in &mut pages {
            assert_eq!(page.await_line("connect").await["recovered"], client.recovers(), "{event}");
            // A marker behind it: the session is in its rooms.
            page.lines_so_far().await;
        }
        let request = reqwest::Client::new()
            .post(server.url("/bookings"))
            .json(&crate::support::app::booking("7"))
            .bearer_auth(token_for("guest", &["CUSTOMER"]));
        let booked = Answer::of(request).await.expect(201);
        for (page, event) in &mut pages {
            assert_eq!(page.await_event(event).await["id"], booked["notification"]["id"], "{event}");
            assert_eq!(seqs(page, event).await, Vec::<i64>::new(), "{event} came once");
        }
    }

    async fn texts_that_are_echoed_do_not_spoil_the_recovery(client) {
        let mut server = server().await;
        let mut page = client.run("gateway_jwt.mjs", &settings(&server, &json!({})));
        page.await_event("connected").await;
        page.await_line("connect").await;
        like(&server).await;
        page.await_line("popup").await;
        // Version 4 takes a text at the end of an event for where it is in the stream.
        page.emit("ping", json!("just a text")).await;
        assert_eq!(page.await_event("pong").await, "just a text");
        End::Killed.come_to(&mut server).await;
        await_loss(&mut page).await;
        server.restart().await;
        like(&server).await;
        assert_eq!(page.await_line("connect").await["recovered"], client.recovers());
        like(&server).await;
        if client.recovers() {
            for seq in 2..=3 {
                assert_eq!(page.await_line("popup").await["seq"], seq);
            }
        }
        page.leave("disconnect").await;
    }
}
