//! Lists of exports.

use domain::{
    job::{Job, Kind},
    time::{Month, Zone},
};
use harness::{Stores, at, contoso};
use store::jobs::ListPosition;

use crate::support::*;

#[tokio::test]
async fn exports_are_listed_newest_first_page_by_page() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let output = csv();
    for number in 0..5 {
        let now = at(NOW).plus_seconds(number * 10);
        let on_demand = Job { created_at: now, ..job(&format!("0{number}"), csv()) };
        control.create_job(&contoso(), &on_demand).await.unwrap();
        let month = Month::parse(&format!("2026-0{}", number + 1)).unwrap();
        let monthly = monthly(month, Zone::UTC, output, now.plus_seconds(5));
        control.create_job(&contoso(), &monthly).await.unwrap();
    }
    for (kind, expected) in [
        (None, "2026-05 04 2026-04 03 2026-03 02 2026-02 01 2026-01 00"),
        (Some(Kind::OnDemand), "04 03 02 01 00"),
        (Some(Kind::Monthly), "2026-05 2026-04 2026-03 2026-02 2026-01"),
    ] {
        for limit in [1, 2, 3, 100] {
            let mut ids = Vec::new();
            let mut after = ListPosition::default();
            loop {
                let (jobs, next) = control.jobs(&contoso(), kind, limit, after).await.unwrap();
                ids.extend(jobs.into_iter().map(|(job, _)| job.id));
                match next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(ids.join(" "), expected, "{kind:?} by {limit}");
        }
    }
}
