//! A running function, and activities that it reads.

use std::time::Duration;

use domain::{
    access::{Caller, Customers, Role},
    activity::NewActivity,
};
use harness::{Function, Stores, activities, at, contoso, request_event};
use lambda::identity;
use serde_json::{Value, json};

pub(crate) const NOW: &str = "2026-11-02T12:00:00Z";

/// The stores, and the function on them.
pub(crate) struct Installation {
    pub(crate) stores: Stores,
    function: Function,
}

/// An answer of the function.
pub(crate) struct Answer {
    pub(crate) status: u64,
    headers: Value,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers[name][0].as_str()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let stores = Stores::start().await;
        let limits = [("PARTNER_LIMITS", "false".to_owned()), ("READ_UNITS_PER_SECOND", "1000".to_owned())];
        let function = Function::start(env!("CARGO_BIN_EXE_query"), stores.variables().into_iter().chain(limits)).await;
        Self { stores, function }
    }

    /// Records activities of `contoso`.
    pub(crate) async fn record(&self, sent: Vec<NewActivity>) {
        let recorder = self.stores.recorder(None);
        for result in recorder.record_all(activities(&contoso(), sent, at(NOW)), Duration::MAX).await {
            result.unwrap();
        }
    }

    /// Asks the function for a route of `contoso`.
    pub(crate) async fn ask(&mut self, route: &str, id: &str, query: &[(&str, &str)]) -> Answer {
        self.invoke(&event(route, id, query)).await
    }

    /// Asks as a caller who may see the activities of these customers.
    pub(crate) async fn ask_restricted(
        &mut self,
        ids: &[&str],
        route: &str,
        id: &str,
        query: &[(&str, &str)],
    ) -> Answer {
        self.invoke(&restricted(event(route, id, query), ids)).await
    }

    /// Asks as such a caller who has the activity with a tag.
    pub(crate) async fn ask_with_tag(
        &mut self,
        ids: &[&str],
        route: &str,
        id: &str,
        query: &[(&str, &str)],
        tag: &str,
    ) -> Answer {
        let mut event = restricted(event(route, id, query), ids);
        event["multiValueHeaders"] = json!({"If-None-Match": [tag]});
        self.invoke(&event).await
    }

    /// Asks with a field of the authorizer's context that holds the restriction.
    pub(crate) async fn ask_with(&mut self, field: &Value, route: &str, id: &str, query: &[(&str, &str)]) -> Answer {
        let mut event = event(route, id, query);
        event["requestContext"]["authorizer"]["customers"] = field.clone();
        self.invoke(&event).await
    }

    /// Lets the function answer an event.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Answer {
        let answer = self.function.invoke(event).await;
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["multiValueHeaders"].clone(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

fn event(route: &str, id: &str, query: &[(&str, &str)]) -> Value {
    request_event(route, &json!({"partner": "contoso", "customer": "fabrikam", "id": id}), query)
}

/// Gives a request the context that the authorizer writes for a restricted caller.
fn restricted(mut event: Value, ids: &[&str]) -> Value {
    let customers = Customers::parse(ids.iter().copied()).unwrap();
    let caller = Caller::new("s-1".into(), "Ana".into(), Some(contoso()), vec![Role::GlobalAdmin], customers);
    event["requestContext"]["authorizer"] = identity::write_context(&caller);
    event
}
