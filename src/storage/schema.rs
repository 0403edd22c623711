//! The tables as Diesel sees them; `migrations/` makes them.

diesel::table! {
    bookings (id) {
        id -> Text,
        host_id -> Text,
        guest_id -> Text,
        guest_name -> Nullable<Text>,
        listing_id -> Text,
        listing_name -> Nullable<Text>,
        check_in -> Date,
        check_out -> Date,
        guests -> Integer,
        note -> Nullable<Text>,
        status -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        reminded_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    inboxes (user_id) {
        user_id -> Text,
        last_seq -> BigInt,
        unread -> BigInt,
        total -> BigInt,
    }
}

diesel::table! {
    inbox_categories (user_id, category) {
        user_id -> Text,
        category -> Text,
        total -> BigInt,
        unread -> BigInt,
    }
}

diesel::table! {
    notifications (id) {
        id -> Text,
        user_id -> Text,
        seq -> BigInt,
        kind -> Text,
        category -> Text,
        booking_id -> Nullable<Text>,
        payload -> Text,
        created_at -> BigInt,
        read_at -> Nullable<BigInt>,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    deliveries (notification_id, channel) {
        notification_id -> Text,
        channel -> Text,
        state -> Text,
        attempts -> Integer,
        escalate_at -> BigInt,
        error -> Nullable<Text>,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    receipts (notification_id, at, step, device) {
        notification_id -> Text,
        user_id -> Text,
        at -> BigInt,
        step -> Text,
        channel -> Text,
        device -> Text,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    recipients (user_id) {
        user_id -> Text,
        email -> Nullable<Text>,
        name -> Nullable<Text>,
        locale -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        preferences -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    recipient_roles (role, user_id) {
        role -> Text,
        user_id -> Text,
    }
}

diesel::table! {
    idempotency_keys (user_id, key) {
        user_id -> Text,
        key -> Text,
        fingerprint -> Text,
        answer -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    secrets (name) {
        name -> Text,
        value -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    tickets (digest) {
        digest -> Text,
        user_id -> Text,
        door -> Text,
        bearer -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> Text,
        at -> BigInt,
        actor_id -> Text,
        device -> Text,
        action -> Text,
        target -> Nullable<Text>,
        detail -> Nullable<Text>,
        request_id -> Text,
    }
}

diesel::table! {
    revocations (id) {
        id -> BigInt,
        user_id -> Text,
        kind -> Text,
        token_id -> Nullable<Text>,
        issued_before -> Nullable<BigInt>,
        at -> BigInt,
    }
}

diesel::table! {
    broadcasts (id) {
        id -> Text,
        role -> Nullable<Text>,
        kind -> Text,
        category -> Text,
        payload -> Text,
        actor_id -> Text,
        request_id -> Nullable<Text>,
        created_at -> BigInt,
        reached -> Text,
        told -> BigInt,
        due_at -> BigInt,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    outgoing_events (id) {
        id -> Text,
        event -> Text,
        notification_id -> Text,
        user_id -> Text,
        channel -> Text,
        device -> Text,
        at -> BigInt,
        due_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    notifications,
    deliveries,
    receipts,
    recipients,
    recipient_roles,
    inboxes
);
