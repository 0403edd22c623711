//! Recipients: what tokens say is kept, what a person chose goes before it, roles are the newest token's.

use bellhop::domain::recipient::ChannelChoice;
use bellhop::domain::{Category, Preferences, Profile, Role};
use bellhop::storage::recipients::{find, find_all, profiles, remember, save_preferences, with_role};

use crate::support::both::on_both_stores;
use crate::support::store::{NOW, TestStore, user};

fn profile(id: &str, email: Option<&str>, roles: &[&str]) -> Profile {
    Profile {
        user: user(id),
        email: email.map(str::to_owned),
        name: None,
        locale: None,
        time_zone: None,
        roles: roles.iter().map(|role| Role::new(role)).collect(),
    }
}

fn meet(store: &TestStore, profile: &Profile) {
    store.write(|connection| remember(connection, profile, NOW));
}

fn holders(store: &TestStore, role: &str) -> Vec<String> {
    let users = with_role(&mut store.connection(), role, "", 100).unwrap();
    users.iter().map(ToString::to_string).collect()
}

on_both_stores! {
    fn a_claim_that_a_later_token_leaves_out_is_kept(store) {
        let full = Profile {
            name: Some("Häns ☾".to_owned()),
            locale: Some("de-AT".to_owned()),
            time_zone: Some("Europe/Vienna".to_owned()),
            ..profile("host", Some("host@example.com"), &["professional"])
        };
        meet(&store, &full);
        meet(&store, &profile("host", Some("new@example.com"), &["professional"]));
        let known = find(&mut store.connection(), &full.user).unwrap().unwrap();
        assert_eq!(known.email.as_deref(), Some("new@example.com"));
        assert_eq!((known.name, known.locale, known.time_zone), (full.name, full.locale, full.time_zone));
    }

    fn roles_are_those_of_the_newest_token(store) {
        meet(&store, &profile("a", None, &["ADMIN", "professional"]));
        meet(&store, &profile("b", None, &["PROFESSIONAL", "Professional"]));
        assert_eq!(holders(&store, "PROFESSIONAL"), ["a", "b"]);
        meet(&store, &profile("a", None, &["ADMIN"]));
        assert_eq!(
            (holders(&store, "PROFESSIONAL"), holders(&store, "ADMIN")),
            (vec!["b".into()], vec!["a".into()])
        );
        meet(&store, &profile("a", None, &[]));
        assert!(holders(&store, "ADMIN").is_empty());
    }

    fn the_holders_of_a_role_come_in_pages(store) {
        for number in 0..7 {
            meet(&store, &profile(&format!("user-{number}"), None, &["CUSTOMER"]));
        }
        let first = with_role(&mut store.connection(), "CUSTOMER", "", 5).unwrap();
        let rest = with_role(&mut store.connection(), "CUSTOMER", first[4].as_str(), 5).unwrap();
        assert_eq!((first.len(), rest.len()), (5, 2));
        assert!(first[4] < rest[0]);
    }

    fn what_a_person_chose_goes_before_what_a_token_says(store) {
        let mut preferences =
            Preferences { email: Some("mine@example.com".to_owned()), ..Preferences::default() };
        preferences.channels.insert("bookings".to_owned(), ChannelChoice { email: false });
        store.write(|connection| save_preferences(connection, &user("host"), &preferences, NOW));
        meet(&store, &profile("host", Some("token@example.com"), &[]));
        let known = find(&mut store.connection(), &user("host")).unwrap().unwrap();
        assert_eq!(known.address(), Some("mine@example.com"));
        assert_eq!(known.preferences, preferences);
        assert!(!known.preferences.allows_email(&Category::BOOKINGS));

        store.write(|connection| save_preferences(connection, &user("host"), &Preferences::default(), NOW));
        let known = find(&mut store.connection(), &user("host")).unwrap().unwrap();
        assert_eq!(known.address(), Some("token@example.com"), "taken back");
    }

    fn profiles_say_what_the_tokens_said(store) {
        let host = profile("host", Some("host@example.com"), &["ADMIN", "PROFESSIONAL"]);
        meet(&store, &host);
        let known = profiles(&mut store.connection(), &["host", "nobody"]).unwrap();
        assert_eq!(known.len(), 1);
        assert!(host.is_known_by(known.get("host")));
        assert!(!profile("host", None, &["ADMIN"]).is_known_by(known.get("host")), "a role was lost");
        assert!(
            !profile("host", Some("b@example.com"), &["ADMIN", "PROFESSIONAL"])
                .is_known_by(known.get("host"))
        );
        assert!(profiles(&mut store.connection(), &[]).unwrap().is_empty());
    }

    fn who_is_not_known_is_left_out(store) {
        meet(&store, &profile("a", None, &[]));
        assert_eq!(find(&mut store.connection(), &user("nobody")).unwrap(), None);
        assert_eq!(find_all(&mut store.connection(), &["a", "nobody"]).unwrap().len(), 1);
    }

    fn one_person_met_by_many_at_once_is_one_row(store) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..10).for_each(|_| meet(&store, &profile("host", Some("h@example.com"), &["ADMIN"])));
                });
            }
        });
        assert_eq!(holders(&store, "ADMIN"), ["host"]);
        assert_eq!(store.number("SELECT COUNT(*) FROM recipients"), 1);
    }
}
