//! Takes a file out of a ZIP archive (APPNOTE.TXT 6.3.10) as gzip (RFC 1952): both hold the same deflate stream
//! with the same checksum, so that nothing is unpacked. For the one archive that is built in, not for others:
//! no ZIP64, no encryption.

use bytes::{BufMut, Bytes, BytesMut};

/// The end of the central directory (§4.3.16), and its length without a comment.
const END: &[u8] = b"PK\x05\x06";
/// An entry of the central directory (§4.3.12), and its length without name, extra field and comment.
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LENGTH: usize = 46;
/// The header before a file's data (§4.3.7), likewise.
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LENGTH: usize = 30;
/// The compression method (§4.4.5).
const DEFLATE: usize = 8;
/// The head of a gzip member (RFC 1952 §2.3): deflate, no flags, no time, nothing known of the system.
const GZIP_HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";

/// The file whose path ends so; none where the archive does not have it, or in another form.
pub(super) fn gzip(archive: &[u8], ending: &str) -> Option<Bytes> {
    let end = archive.windows(END.len()).rposition(|window| window == END)?;
    let entries = number(archive, end + 10, 2)?;
    let mut at = number(archive, end + 16, 4)?;
    for _ in 0..entries {
        let entry = archive.get(at..)?.strip_prefix(ENTRY).and_then(|_| archive.get(at..))?;
        let name_length = number(entry, 28, 2)?;
        let name = entry.get(ENTRY_LENGTH..ENTRY_LENGTH + name_length)?;
        if name.ends_with(ending.as_bytes()) {
            return member(archive, entry);
        }
        at += ENTRY_LENGTH + name_length + number(entry, 30, 2)? + number(entry, 32, 2)?;
    }
    None
}

/// The gzip member of an entry.
fn member(archive: &[u8], entry: &[u8]) -> Option<Bytes> {
    if number(entry, 10, 2)? != DEFLATE {
        return None;
    }
    let checksum = entry.get(16..20)?;
    let packed_length = number(entry, 20, 4)?;
    let length = entry.get(24..28)?;
    let local = archive.get(number(entry, 42, 4)?..)?;
    local.strip_prefix(LOCAL)?;
    let start = LOCAL_LENGTH + number(local, 26, 2)? + number(local, 28, 2)?;
    let packed = local.get(start..start + packed_length)?;
    let mut member = BytesMut::with_capacity(GZIP_HEAD.len() + packed.len() + checksum.len() + length.len());
    for part in [GZIP_HEAD, packed, checksum, length] {
        member.put_slice(part);
    }
    Some(member.freeze())
}

/// A number of so many bytes, the least significant first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
