//! Buckets and event buses, behind a stand-in for AWS's endpoints.

use std::time::Duration;

use domain::{
    activity::PartnerId,
    stream::{StreamFormat, StreamStatus},
};
use harness::{contoso, parsed, sent};
use serde_json::{Value, json};
use store::{ledger::Recorder, streams::INSTALLATION_STREAM};
use streamer::{App, InstallationBus};

use crate::{World, receiver::Reply};

const ROLE: &str = "arn:aws:iam::123456789012:role/daybook";

/// The answer of STS.
fn credentials() -> Reply {
    let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
        <AccessKeyId>AKID</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
        <Expiration>2026-11-02T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    Reply::Body(200, body.to_owned())
}

fn events(failed: &[bool]) -> Reply {
    let entry =
        |failed: &bool| if *failed { json!({"ErrorCode": "ThrottlingException"}) } else { json!({"EventId": "e"}) };
    let entries: Vec<Value> = failed.iter().map(entry).collect();
    let count = failed.iter().filter(|failed| **failed).count();
    Reply::Body(200, json!({"FailedEntryCount": count, "Entries": entries}).to_string())
}

#[tokio::test]
async fn a_bucket_gets_objects_through_the_role_of_the_partner() {
    let mut world = World::start().await;
    let s3 = format!(r#"{{"kind":"s3","bucket":"contoso","prefix":"logs/","role_arn":"{ROLE}"}}"#);
    world.create("a", &format!(r#"{{"name":"Lake","destination":{s3}}}"#)).await;
    let app = world.app(None);
    world.receiver.reply(&[credentials()]);
    let first = world.record("a", 3).await;
    world.minutes(&app, 5).await;
    let second = world.record("b", 2).await;
    world.minutes(&app, 5).await;
    let received = world.receiver.received();
    assert_eq!(received.len(), 3, "the credentials are remembered");
    assert!(received[0].text().contains("ExternalId=x-a") && received[0].text().contains("RoleArn=arn%3Aaws%3Aiam"));
    for (object, ids) in [(&received[1], first), (&received[2], second)] {
        assert!(
            object.head.starts_with("PUT /contoso/logs/partner%3Dcontoso/date%3D2026-11-02/hour%3D12/"),
            "{}",
            object.head
        );
        assert_eq!(object.header("x-amz-security-token"), Some("token"));
        assert_eq!(object.ids(), ids);
    }
    assert_eq!((world.stream().await.status(), world.marks().await), (StreamStatus::Active, 0));
}

#[tokio::test]
async fn a_bucket_in_another_region_is_found_there() {
    let mut world = World::start().await;
    let s3 = format!(r#"{{"kind":"s3","bucket":"contoso","role_arn":"{ROLE}"}}"#);
    world.create("a", &format!(r#"{{"name":"Lake","destination":{s3}}}"#)).await;
    let app = world.app(None);
    world.receiver.reply(&[credentials(), Reply::Status(301, "x-amz-bucket-region: eu-west-3\r\n")]);
    world.record("a", 1).await;
    world.minutes(&app, 5).await;
    let received = world.receiver.received();
    assert_eq!(received.len(), 3);
    assert!(received[2].header("authorization").unwrap().contains("/eu-west-3/s3/"));
    assert_eq!(world.stream().await.status(), StreamStatus::Active);
}

#[tokio::test]
async fn a_bus_gets_the_events_behind_a_refused_one_again() {
    let mut world = World::start().await;
    let bus = "arn:aws:events:eu-west-3:123456789012:event-bus/security";
    let bus = format!(r#"{{"kind":"eventbridge","bus_arn":"{bus}","role_arn":"{ROLE}"}}"#);
    world.create("a", &format!(r#"{{"name":"Bus","destination":{bus}}}"#)).await;
    let app = world.app(None);
    world.receiver.reply(&[
        credentials(),
        events(&[false, true, false]),
        events(&[true, false]),
        events(&[false, false]),
    ]);
    let ids = world.record("a", 3).await;
    world.minutes(&app, 8).await;
    let sent = world.receiver.received().into_iter().skip(1).map(|call| {
        let call: Value = serde_json::from_str(&call.text()).unwrap();
        let id = |entry: &Value| {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            detail["id"].as_str().unwrap().to_owned()
        };
        call["Entries"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    });
    assert_eq!(sent.collect::<Vec<_>>(), [ids.clone(), ids[1..].to_vec(), ids[1..].to_vec()]);
    assert_eq!((world.stream().await.status(), world.marks().await), (StreamStatus::Active, 0));
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_service_makes_the_stream_fail() {
    let mut world = World::start().await;
    let s3 = format!(r#"{{"kind":"s3","bucket":"contoso","role_arn":"{ROLE}"}}"#);
    world.create("a", &format!(r#"{{"name":"Lake","destination":{s3}}}"#)).await;
    let app = world.app(None);
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
        <Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    world.receiver.reply(&vec![Reply::Body(403, refused.to_owned()); 9]);
    world.record("a", 1).await;
    world.minutes(&app, 3).await;
    let stream = world.stream().await;
    let error = stream.state.last_error.as_ref().unwrap();
    assert_eq!((stream.status(), error.status), (StreamStatus::Failing, Some(403)));
    assert!(error.detail.contains("AccessDenied") && error.detail.contains("sts:AssumeRole"), "{}", error.detail);
}

#[tokio::test]
async fn the_bus_of_the_installation_gets_the_activities_of_partners_without_streams() {
    let mut world = World::start().await;
    let bus = "arn:aws:events:eu-west-3:123456789012:event-bus/all";
    let installation = InstallationBus::new(bus, StreamFormat::Ocsf).unwrap();
    let app = App { installation: Some(installation), ..world.app(None) };
    let off = world.stores.partners().settings(&contoso()).await.unwrap();
    assert!(world.stores.partners().switch_streams_off(&contoso(), &off).await.unwrap());
    let fabrikam = PartnerId::parse("fabrikam").unwrap();
    world.receiver.reply(&[Reply::Status(500, ""), events(&[false]), events(&[false, false])]);
    let partners = world.stores.partners();
    let recorder =
        Recorder::new(world.stores.ledger(None), partners, 0).with_due_marks(world.stores.due_marks(None), true);
    for (partner, id) in [(contoso(), "a"), (contoso(), "b"), (fabrikam.clone(), "c")] {
        let activity = parsed(&sent(id, "2026-10-05T00:00:00Z", &json!({})), world.now);
        recorder.record(activity.into_activity(partner, world.now), Duration::MAX).await.unwrap();
        world.now = world.now.plus_seconds(1);
    }
    world.minutes(&app, 6).await;
    let mut sent: Vec<String> = Vec::new();
    for call in world.receiver.received().iter().filter(|call| call.is_accepted) {
        let call: Value = serde_json::from_str(&call.text()).unwrap();
        for entry in call["Entries"].as_array().unwrap() {
            assert_eq!((&entry["EventBusName"], &entry["Source"]), (&json!(bus), &json!("daybook")));
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            sent.push(format!("{} {}", detail["metadata"]["tenant_uid"], detail["class_uid"]));
        }
    }
    sent.sort_unstable();
    assert_eq!(sent, [r#""contoso" 6003"#, r#""contoso" 6003"#, r#""fabrikam" 6003"#]);
    // Nobody sees these streams, and they go with the partner.
    let streams = world.stores.streams(None);
    assert!(streams.list(&contoso()).await.unwrap().is_empty());
    let own = streams.get(&fabrikam, INSTALLATION_STREAM).await.unwrap().unwrap();
    assert_eq!((own.status(), world.marks().await), (StreamStatus::Active, 0));
    assert_eq!(streams.remove_all(&fabrikam).await.unwrap(), 0);
    assert!(streams.get(&fabrikam, INSTALLATION_STREAM).await.unwrap().is_none());
    // Without the bus, a mark that was left goes.
    world.stores.due_marks(None).mark_stream(&contoso(), INSTALLATION_STREAM, world.now).await.unwrap();
    let app = world.app(None);
    world.minute(&app).await;
    assert_eq!(world.marks().await, 0);
}
