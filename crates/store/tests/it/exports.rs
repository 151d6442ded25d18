//! Idempotency keys of exports, on a real table.

use harness::{Stores, at, contoso, partner};
use store::jobs::{IdempotencyKey, KEY_LIFETIME_SECONDS, KeyClaim};

#[tokio::test]
async fn a_key_belongs_to_one_caller_and_one_request() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let now = at("2026-11-02T09:30:00Z");
    let key = |subject, key, request| IdempotencyKey { subject, key, request };
    let job = |id: &str| KeyClaim::Job(id.to_owned());
    let claim = async |key: IdempotencyKey<'_>, id: &str| control.claim_key(&contoso(), &key, id, now).await.unwrap();
    assert_eq!(claim(key("ana", "k", "r-1"), "1").await, job("1"));
    assert_eq!(claim(key("ana", "k", "r-1"), "2").await, job("1"), "the same request again");
    assert_eq!(claim(key("ana", "k", "r-2"), "3").await, KeyClaim::OtherRequest);
    assert_eq!(claim(key("ben", "k", "r-2"), "4").await, job("4"), "a colleague's key is another key");
    assert_eq!(claim(key("ana", "k2", "r-2"), "5").await, job("5"));
    assert_eq!(claim(key("an", "ak", "r-2"), "6").await, job("6"), "no caller can spell another's key");
    let elsewhere = control.claim_key(&partner("fabrikam"), &key("ana", "k", "r-2"), "7", now).await.unwrap();
    assert_eq!(elsewhere, job("7"));
}

#[tokio::test]
async fn a_key_is_free_again_when_its_time_is_up() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let now = at("2026-11-02T09:30:00Z");
    let key = |request| IdempotencyKey { subject: "ana", key: "k", request };
    for (seconds, request, claim) in [
        (0, "r-1", KeyClaim::Job("0".to_owned())),
        (86_400, "r-1", KeyClaim::Job("0".to_owned())),
        (KEY_LIFETIME_SECONDS - 1, "r-2", KeyClaim::OtherRequest),
        (KEY_LIFETIME_SECONDS, "r-2", KeyClaim::Job(KEY_LIFETIME_SECONDS.to_string())),
    ] {
        let later = now.plus_seconds(seconds);
        let claimed = control.claim_key(&contoso(), &key(request), &seconds.to_string(), later).await.unwrap();
        assert_eq!(claimed, claim, "{seconds}");
    }
}
