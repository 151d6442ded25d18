//! A bucket that counts the bytes of its objects, checks their CRC, and keeps only the objects below `details/`.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    Error,
    http::{self, Answer, Asked},
};

/// The prefix of the objects that the bucket keeps, so that exports can read them.
const KEPT: &str = "details/";

#[derive(Default)]
pub(crate) struct Objects {
    kept: HashMap<String, Bytes>,
    /// The sizes of finished objects, and their bytes if `keeps_all`.
    finished: BTreeMap<String, (u64, Option<Bytes>)>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    part_bytes: HashMap<String, BTreeMap<u32, u64>>,
    calls: BTreeMap<&'static str, u64>,
    checked: u64,
    unchecked: u64,
    /// Whether finished objects keep their bytes.
    pub(crate) keeps_all: bool,
}

impl Objects {
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.kept.iter().map(|(key, body)| (key.as_str(), body))
    }

    pub(crate) fn keep(&mut self, key: String, body: Bytes) {
        self.kept.insert(key, body);
    }

    /// Returns the bytes of a finished object.
    pub(crate) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.finished.get(key)?.1.clone()
    }

    pub(crate) fn counts(&self) -> Value {
        let finished: BTreeMap<&str, u64> =
            self.finished.iter().map(|(key, (size, _))| (key.as_str(), *size)).collect();
        json!({"calls": self.calls, "finished": finished, "checked": self.checked, "unchecked": self.unchecked})
    }

    pub(crate) fn reset(&mut self) {
        let (kept, keeps_all) = (std::mem::take(&mut self.kept), self.keeps_all);
        *self = Self { kept, keeps_all, ..Self::default() };
    }

    pub(crate) fn answer(&mut self, asked: &Asked) -> Answer {
        let path = asked.path().trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key).replace("%23", "#").replace("%3A", ":");
        let upload = asked.parameter("uploadId").unwrap_or_default().to_owned();
        match (asked.head.method.as_str(), asked.parameter("partNumber"), asked.parameter("uploads").is_some()) {
            ("POST", None, true) => {
                self.count("CreateMultipartUpload");
                let id = format!("upload-{}", self.uploads.len() + 1);
                self.uploads.insert(id.clone(), BTreeMap::new());
                xml(&format!(
                    "<InitiateMultipartUploadResult><Bucket>data</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            ("PUT", Some(number), _) => {
                self.count("UploadPart");
                let body = self.payload(asked)?;
                let number: u32 = number.parse()?;
                self.part_bytes.entry(upload.clone()).or_default().insert(number, body.len() as u64);
                if self.keeps_all {
                    self.uploads.entry(upload).or_default().insert(number, body.clone());
                }
                stored(&body)
            }
            ("POST", None, false) => {
                self.count("CompleteMultipartUpload");
                let size = self.part_bytes.remove(&upload).unwrap_or_default().into_values().sum();
                let parts = self.uploads.remove(&upload).unwrap_or_default();
                let whole = self.keeps_all.then(|| Bytes::from(parts.into_values().flatten().collect::<Vec<u8>>()));
                self.finished.insert(key.clone(), (size, whole));
                xml(&format!(
                    "<CompleteMultipartUploadResult><Bucket>data</Bucket><Key>{key}</Key><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
                ))
            }
            ("PUT", None, _) => {
                self.count("PutObject");
                let body = self.payload(asked)?;
                if key.starts_with(KEPT) {
                    self.kept.insert(key, body.clone());
                } else {
                    self.finished.insert(key, (body.len() as u64, self.keeps_all.then(|| body.clone())));
                }
                stored(&body)
            }
            ("GET", ..) => {
                self.count("GetObject");
                match self.kept.get(&key) {
                    Some(body) => http::answer(StatusCode::OK, "application/octet-stream", body.clone()),
                    None => missing("NoSuchKey"),
                }
            }
            ("HEAD", ..) => {
                self.count("HeadObject");
                match self.finished.get(&key) {
                    Some((size, _)) => Ok(Response::builder()
                        .header(header::CONTENT_LENGTH, size.to_string())
                        .header(header::ETAG, "\"e\"")
                        .body(http::full(""))?),
                    None => http::answer(StatusCode::NOT_FOUND, "application/xml", ""),
                }
            }
            ("DELETE", ..) => {
                self.count("Delete");
                self.uploads.remove(&upload);
                self.part_bytes.remove(&upload);
                Ok(Response::builder().status(StatusCode::NO_CONTENT).body(http::full(""))?)
            }
            (method, ..) => Err(format!("S3 is asked for {method} {path}").into()),
        }
    }

    fn count(&mut self, call: &'static str) {
        *self.calls.entry(call).or_default() += 1;
    }

    /// Returns the body without the framing of the transfer, after a check of its CRC.
    fn payload(&mut self, asked: &Asked) -> Result<Bytes, Error> {
        let mut crc = asked.header("x-amz-checksum-crc32").to_owned();
        let body = if asked.header("content-encoding").contains("aws-chunked")
            || asked.header("x-amz-content-sha256").starts_with("STREAMING")
        {
            let (body, trailer) = unframe(&asked.body)?;
            if let Some(value) = trailer.strip_prefix("x-amz-checksum-crc32:") {
                value.trim().clone_into(&mut crc);
            }
            body
        } else {
            asked.body.clone()
        };
        if crc.is_empty() {
            self.unchecked += 1;
        } else if STANDARD.decode(&crc)? == crc32fast::hash(&body).to_be_bytes() {
            self.checked += 1;
        } else {
            return Err("the CRC is not that of the body".into());
        }
        Ok(body)
    }
}

/// Decodes a body in `aws-chunked`: sizes in hexadecimal, optional signatures, then the trailer.
fn unframe(framed: &[u8]) -> Result<(Bytes, String), Error> {
    let mut body = Vec::with_capacity(framed.len());
    let mut rest = framed;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or("a chunk without a size")?;
        let size = std::str::from_utf8(&rest[..end])?.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16)?;
        rest = &rest[end + 2..];
        if size == 0 {
            let trailer = String::from_utf8_lossy(rest).lines().next().unwrap_or_default().to_owned();
            return Ok((body.into(), trailer));
        }
        body.extend_from_slice(rest.get(..size).ok_or("a chunk that is cut")?);
        rest = rest.get(size + 2..).ok_or("a chunk that is cut")?;
    }
}

fn stored(body: &[u8]) -> Answer {
    Ok(Response::builder().header(header::ETAG, format!("\"{:x}\"", crc32fast::hash(body))).body(http::full(""))?)
}

fn xml(body: &str) -> Answer {
    http::answer(StatusCode::OK, "application/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"))
}

fn missing(code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>There is none.</Message></Error>");
    http::answer(StatusCode::NOT_FOUND, "application/xml", body)
}
