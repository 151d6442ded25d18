//! The feed: activities in the order of recording, so that a poller misses none that comes late.

use domain::{access::Operation, activity::ActivityJson, fault::Faults, query::SETTLE_SECONDS, time::Instant};
use lambda::{Answer, Parameters, Problem, ProblemKind, Request, StatusCode, payload, request, response};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{
    ledger::{FeedPosition, MAX_PAGE_ROWS},
    partners::Feed,
};
use utoipa::ToSchema;

use crate::App;

const DEFAULT_LIMIT: usize = 100;

/// A page of a feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Feed)]
pub struct FeedAnswer {
    /// The activities, without details, in the order of recording, oldest first.
    #[schema(value_type = Vec<ActivityJson>)]
    pub activities: Vec<Box<RawValue>>,
    /// Where to go on: the parameter `after` of the next call. It is there also when there are no activities.
    pub after: String,
    /// The pages so far hold everything that was recorded from `begins_at` on and before this instant. If it is less than about
    /// two minutes ago, there is nothing more to read now; otherwise ask for the next page at once.
    #[schema(format = DateTime)]
    pub complete_through: String,
    /// The time of recording with which the feed begins.
    #[schema(format = DateTime)]
    pub begins_at: String,
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Read)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["after", "limit"], &mut faults);
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LIMIT, MAX_PAGE_ROWS));
    let after = faults.keep_part(parameters.parse("after", |text| {
        FeedPosition::parse(text)
            .ok_or_else(|| "is no position of a feed: send the after of the answer before".to_owned())
    }));
    let (limit, after) = faults.finish(limit.zip(after))?;
    let settings = app.partners.settings(&partner).await?;
    let Some(Feed { begins_at }) = settings.feed else {
        let detail = "This partner has no feed. The operator switches it on with PUT /v1/partners/{partner}/settings {\"feed\": true}.";
        return Err(Problem::new(ProblemKind::Conflict, detail));
    };
    let beginning = FeedPosition::before(begins_at);
    let after = after.unwrap_or_else(|| beginning.clone());
    if after < beginning {
        let begins_at = begins_at.to_millis_text();
        let detail = format!(
            "The feed was switched off after this position, and misses what was recorded then. It begins at {begins_at}: go on \
             without after, and read the list or an export for the time between."
        );
        return Err(Problem::new(ProblemKind::Gone, detail));
    }
    let through = now.plus_seconds(-SETTLE_SECONDS);
    let reading = app.begin_read(&caller, &partner, now).await?;
    let query = reading.feed_page(&after, through, limit);
    let mut page = app.note_read((request, &caller, now), &partner, query).await?;
    let activities = payload::write_fitting(page.activities())?;
    page.truncate(activities.len());
    let answer = FeedAnswer {
        activities,
        complete_through: page.next.recorded_at().min(through).to_millis_text(),
        after: page.next.as_str().to_owned(),
        begins_at: begins_at.to_millis_text(),
    };
    response::json(StatusCode::OK, &answer)
}
