//! The size of what Lambda carries to and from a function.
//!
//! Lambda limits both to 6 MiB, and carries the body of a request or an answer as a string inside JSON. So quotes,
//! backslashes and line breaks of a body count twice. Source: "Lambda quotas", docs.aws.amazon.com/lambda.

use std::io;

use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use store::error;

use crate::problem::Problem;

/// The most bytes of a request or an answer, as Lambda carries it.
///
/// Lambda's own limit is 291,456 bytes higher. The rest is for the headers and the context of a request.
pub const MAX_PAYLOAD_BYTES: usize = 6_000_000;
/// The most bytes of headers, and of cursor and period beside the values of a list.
const FRAME_BYTES: usize = 64 * 1_024;
/// The bytes of an answer's envelope, without headers and body: names of its fields, status and brackets.
const ENVELOPE_BYTES: usize = 128;
/// The bytes of brackets and punctuation around a header.
const HEADER_BYTES: usize = 8;

/// Counts what is written.
struct ByteCounter(usize);

impl io::Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the bytes of a text as a string inside JSON.
pub fn string_bytes(text: &str) -> usize {
    let mut counter = ByteCounter(0);
    // Counting cannot fail.
    serde_json::to_writer(&mut counter, text).ok();
    counter.0
}

/// Returns the bytes of a value, written as JSON into an answer.
pub fn value_bytes<T: Serialize>(value: &T) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| string_bytes(&json))
}

/// Returns the bytes of an answer as the function sends it to Lambda, or slightly more.
pub fn answer_bytes(response: &Response<Body>) -> usize {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| {
        name.as_str().len() + string_bytes(&String::from_utf8_lossy(value.as_bytes())) + HEADER_BYTES
    });
    let body = str::from_utf8(response.body()).map_or(usize::MAX, string_bytes);
    headers.sum::<usize>().saturating_add(ENVELOPE_BYTES).saturating_add(body)
}

/// Tells whether Lambda carries an answer.
pub fn fits(response: &Response<Body>) -> bool {
    answer_bytes(response) <= MAX_PAYLOAD_BYTES
}

/// Tells whether an answer leaves room for the headers that are set later.
pub(crate) fn leaves_room(response: &Response<Body>) -> bool {
    answer_bytes(response) <= MAX_PAYLOAD_BYTES - FRAME_BYTES
}

/// Writes the first of these values as JSON, as many as one list in an answer can hold. The first value is always written.
///
/// # Errors
/// 500 when a value cannot be written as JSON.
pub fn write_fitting<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<Vec<Box<RawValue>>, Problem> {
    let mut room = MAX_PAYLOAD_BYTES - FRAME_BYTES;
    let mut written = Vec::new();
    for value in values {
        let json = to_raw_value(&value).map_err(|error| error::Error::permanent("writing an answer", error))?;
        // The quotes around a string stand for the comma behind a value.
        let Some(rest) = room.checked_sub(string_bytes(json.get())).or_else(|| written.is_empty().then_some(0)) else {
            break;
        };
        room = rest;
        written.push(json);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use lambda_http::{
        Adapter, Service as _, http::header, lambda_runtime::LambdaEvent, request::LambdaRequest, service_fn,
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        StatusCode,
        log::tests::context,
        request::Request,
        response::{complete, set_header, text},
    };

    /// Returns an answer's bytes as `lambda_http` hands them to the runtime.
    async fn sent(response: Response<Body>) -> usize {
        let event = json!({"httpMethod": "GET", "requestContext": {"resourcePath": "/health", "httpMethod": "GET"}});
        let request: LambdaRequest = serde_json::from_str(&event.to_string()).unwrap();
        let mut response = Some(response);
        let answer = service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
        let answer = Adapter::from(answer).call(LambdaEvent::new(request, context())).await.unwrap();
        serde_json::to_vec(&answer).unwrap().len()
    }

    proptest! {
        #[test]
        fn measure_is_the_size_that_lambda_receives(body in "[\\x00-\\x7fé🌍\"\\\\]{0,400}", tag in "[ -~é]{0,40}") {
            let mut response = text(StatusCode::OK, "application/json", body);
            set_header(&mut response, header::ETAG, &tag);
            let response = complete(Ok(response), "trace-1", Some("*"));
            let measured = answer_bytes(&response);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sent = runtime.block_on(sent(response));
            prop_assert!((sent..sent + 200).contains(&measured), "{} for {}", measured, sent);
        }
    }

    #[test]
    fn list_holds_as_many_values_as_fit() {
        // One megabyte as text, two as a string inside JSON, four inside an answer.
        let value = "\"".repeat(1_000_000);
        assert_eq!(write_fitting([&value; 3]).unwrap().len(), 1);
        assert_eq!(write_fitting(["x"; 1_000]).unwrap().len(), 1_000);
        assert_eq!(write_fitting([value.repeat(2), value]).unwrap().len(), 1, "the first is always written");
        assert!(write_fitting::<&str>([]).unwrap().is_empty());
    }

    #[test]
    fn full_list_fits_into_an_answer() {
        let values = write_fitting(std::iter::repeat_n("\"\\\n".repeat(500), 10_000)).unwrap();
        assert!(values.len() < 10_000);
        let response = crate::response::json(StatusCode::OK, &values).unwrap();
        assert!((MAX_PAYLOAD_BYTES - 2 * FRAME_BYTES..=MAX_PAYLOAD_BYTES).contains(&answer_bytes(&response)));
    }
}
