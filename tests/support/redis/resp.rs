//! As much of Redis's protocol (RESP2) as tests need: a connection for each command, every wait with a deadline.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Redis answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Number(i64),
    Nil,
    Error(String),
    List(Vec<Reply>),
}

impl Reply {
    /// The members of a list.
    pub fn list(self) -> Vec<Reply> {
        match self {
            Self::List(members) => members,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("not a number: {other:?}"),
        }
    }
}

impl fmt::Display for Reply {
    /// A list is a line for each member, nothing is an empty line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Error(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Nil => Ok(()),
            Self::List(members) => {
                let lines: Vec<String> = members.iter().map(Reply::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// Asks the server on this port one thing.
pub(super) fn ask(port: u16, password: Option<&str>, words: &[&str]) -> io::Result<Reply> {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        stream.write_all(&encode(&["AUTH", password]))?;
        let reply = read(&mut replies)?;
        assert_eq!(reply, Reply::Text("OK".to_owned()));
    }
    stream.write_all(&encode(words))?;
    read(&mut replies)
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

fn read(replies: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    if replies.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1);
    let number = || rest.parse::<i64>().map_err(|_| io::Error::other(line.clone()));
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(number()?),
        "$" | "*" if number()? < 0 => Reply::Nil,
        "$" => {
            let length = usize::try_from(number()?).map_err(io::Error::other)?;
            let mut bytes = vec![0; length + 2];
            replies.read_exact(&mut bytes)?;
            Reply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
        }
        "*" => Reply::List((0..number()?).map(|_| read(replies)).collect::<io::Result<_>>()?),
        _ => return Err(io::Error::other(line)),
    })
}
