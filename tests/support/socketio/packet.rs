//! Socket.IO packets (protocol 5) as text, read and written for tests, apart from the server's own codec: a
//! mistake made once shows. What no server may send is a panic.

use serde_json::{Value, json};

/// A packet without binary attachments, of the one namespace that a device is in.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    Connect(Value),
    Disconnect,
    Event { name: String, arguments: Vec<Value>, ack: Option<u64> },
    Ack { id: u64, arguments: Vec<Value> },
    ConnectError(Value),
}

impl Packet {
    /// Reads what follows the Engine.IO type of a message.
    pub fn parse(text: &str, namespace: &str) -> Self {
        let (kind, rest) = text.split_at_checked(1).unwrap_or_else(|| panic!("an empty packet"));
        let (named, rest) = match rest.starts_with('/').then(|| rest.split_once(',')).flatten() {
            Some((named, rest)) => (named, rest),
            None => ("/", rest),
        };
        assert_eq!(named, namespace, "a packet of another namespace: {text}");
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, data) = rest.split_at(digits);
        let id = (!id.is_empty()).then(|| id.parse::<u64>().unwrap());
        let data: Value = match data {
            "" => Value::Null,
            data => serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {text}")),
        };
        match (kind, id, data) {
            ("0", None, data @ Value::Object(_)) => Self::Connect(data),
            ("1", None, Value::Null) => Self::Disconnect,
            ("2", ack, Value::Array(mut arguments)) if !arguments.is_empty() => {
                let Value::String(name) = arguments.remove(0) else { panic!("no name: {text}") };
                Self::Event { name, arguments, ack }
            }
            ("3", Some(id), Value::Array(arguments)) => Self::Ack { id, arguments },
            ("4", None, data @ Value::Object(_)) => Self::ConnectError(data),
            _ => panic!("not a packet: {text}"),
        }
    }

    /// Writes it, without the Engine.IO type of a message.
    pub fn encode(&self, namespace: &str) -> String {
        let (kind, id, data) = match self {
            Self::Connect(auth) => ('0', None, Some(auth.clone())),
            Self::Disconnect => ('1', None, None),
            Self::Event { name, arguments, ack } => {
                let mut all = vec![json!(name)];
                all.extend(arguments.iter().cloned());
                ('2', *ack, Some(Value::Array(all)))
            }
            Self::Ack { id, arguments } => ('3', Some(*id), Some(json!(arguments))),
            Self::ConnectError(data) => ('4', None, Some(data.clone())),
        };
        let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let id = id.map_or_else(String::new, |id| id.to_string());
        let data = data.map_or_else(String::new, |data| data.to_string());
        format!("{kind}{namespace}{id}{data}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the protocol's specification writes them.
    #[test]
    fn packets_are_read_and_written_as_specified() {
        let event = |name: &str, arguments: &[Value], ack| Packet::Event {
            name: name.to_owned(),
            arguments: arguments.to_vec(),
            ack,
        };
        for (text, namespace, packet) in [
            (r#"0{"sid":"a"}"#, "/", Packet::Connect(json!({"sid": "a"}))),
            (r#"0/admin,{"token":"123"}"#, "/admin", Packet::Connect(json!({"token": "123"}))),
            ("1/admin,", "/admin", Packet::Disconnect),
            ("1", "/", Packet::Disconnect),
            (r#"2["hello",1]"#, "/", event("hello", &[json!(1)], None)),
            (
                r#"2/admin,456["project:delete",123]"#,
                "/admin",
                event("project:delete", &[json!(123)], Some(456)),
            ),
            ("3/admin,456[]", "/admin", Packet::Ack { id: 456, arguments: vec![] }),
            (r#"4{"message":"no"}"#, "/", Packet::ConnectError(json!({"message": "no"}))),
        ] {
            assert_eq!(Packet::parse(text, namespace), packet, "{text}");
            assert_eq!(packet.encode(namespace), text);
        }
    }
}
