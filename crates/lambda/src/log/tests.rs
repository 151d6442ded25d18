use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;

use super::*;

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Takes the lines of this thread, from now on.
    pub(crate) fn capture(level: &str) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let guard = tracing::subscriber::set_default(subscriber("tests", level, move || writer.clone()));
        (lines, guard)
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn context() -> Context {
    let mut context = Context::default();
    context.request_id = "invocation-1".to_owned();
    context.xray_trace_id = Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned());
    context
}

#[tokio::test]
async fn last_line_names_invocation_partner_and_result() {
    let (lines, _guard) = Lines::capture("error");
    trace(&context(), Some("trace-1"), now(), async {
        set_partner(&PartnerId::parse("contoso").unwrap());
        tracing::info!("below the level");
        end(InvocationResult::Answered { route: "GET /health", status: 200 });
    })
    .await;
    let [line] = &lines.all()[..] else { panic!("{:?}", lines.all()) };
    let mut span = line["span"].clone();
    assert!(span["cold_start"].take().is_boolean());
    assert_eq!(
        span,
        json!({
            "name": "invocation", "service": "", "cold_start": null, "function_request_id": "invocation-1",
            "trace_id": "trace-1", "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793", "partner": "contoso",
        })
    );
    assert_eq!(
        (&line["level"], &line["message"], &line["route"], &line["status"]),
        (&json!("INFO"), &json!("answered"), &json!("GET /health"), &json!(200))
    );
    assert!(line["duration_ms"].as_i64().unwrap() >= 0, "{line}");
}

#[test]
fn libraries_never_log_below_info() {
    let (lines, _guard) = Lines::capture("trace");
    for written in [true, false] {
        match written {
            true => tracing::trace!(target: "store::ledger", "ours"),
            false => tracing::debug!(target: "lambda_runtime::layers", "an event with its token"),
        }
    }
    let [line] = &lines.all()[..] else { panic!("{:?}", lines.all()) };
    assert_eq!((&line["message"], &line["span"]), (&json!("ours"), &Value::Null));
}

#[tokio::test]
async fn invocation_stands_under_xray_id_when_it_has_no_other() {
    let (lines, _guard) = Lines::capture("info");
    trace(&context(), None, now(), async { end(InvocationResult::Failed("no \"keys\"\n")) }).await;
    let [line] = &lines.all()[..] else { panic!("{:?}", lines.all()) };
    assert_eq!(line["span"]["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!((&line["span"]["xray_trace_id"], &line["span"]["partner"]), (&Value::Null, &Value::Null));
    assert_eq!((&line["level"], &line["error"]), (&json!("ERROR"), &json!("no \"keys\"\n")));
}
