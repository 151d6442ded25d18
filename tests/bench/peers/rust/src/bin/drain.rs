//! The least work possible with the pages of a Query: `drain` reads and drops them; `floor` also checks that they are
//! UTF-8, computes their CRC and copies them once.
//!
//! Arguments: the address of the store, the table, `drain` or `floor`, then hash keys. There is no SDK, no signature and
//! no JSON: the program cuts the next position out of the end of each page.

use std::{
    error::Error,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, table, kind, hashes @ ..] = arguments.as_slice() else {
        return Err("expected ADDRESS TABLE drain|floor HASH…".into());
    };
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1_024, stream.try_clone()?);
    let (mut page, mut copy, mut line) = (Vec::new(), Vec::new(), String::new());
    let (mut crc, mut bytes) = (crc32fast::Hasher::new(), 0);
    for hash in hashes {
        let mut start = String::new();
        loop {
            let body = format!(
                r#"{{"TableName":"{table}","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{{":pk":{{"S":"{hash}"}}}},"ScanIndexForward":false{start}}}"#
            );
            write!(
                stream,
                "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: DynamoDB_20120810.Query\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut length = 0;
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse()?;
                }
                if line == "\r\n" {
                    break;
                }
            }
            page.resize(length, 0);
            reader.read_exact(&mut page)?;
            bytes += length;
            if kind == "floor" {
                crc.update(&page);
                copy.clear();
                copy.extend_from_slice(std::str::from_utf8(&page)?.as_bytes());
                std::hint::black_box(&copy);
            }
            let tail = String::from_utf8_lossy(&page[page.len().saturating_sub(2_048)..]);
            let Some((_, key)) = tail.rsplit_once(",\"LastEvaluatedKey\":") else { break };
            start = format!(",\"ExclusiveStartKey\":{}", key.strip_suffix('}').unwrap_or(key));
        }
    }
    eprintln!("{bytes} bytes, CRC {:08x}", crc.finalize());
    Ok(())
}
