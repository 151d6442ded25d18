//! A partner's activities as a caller may see them. Every route reads through here, so that no route can forget the restriction.
//!
//! The restriction becomes a part of the filter: a caller's few customers are read from their index. A caller of many customers
//! costs a walk over all of the partner's activities, which can end behind an activity that the caller may not see. Cursors
//! can be decoded, so the position of such an activity is told to the whole second only, and without the activity's id.

use std::time::Duration;

use domain::{
    access::{Caller, Customers},
    activity::{Activity, ActivityId, PartnerId},
    query::{Position, Selection},
    time::Instant,
};
use lambda::{
    Problem,
    metrics::{self, Metric},
};
use store::{
    error::Error,
    ledger::{ActivityPage, Condition, FeedPage, FeedPosition, Ledger, ReadUnits, StoredActivity},
    links::LinkMethod,
    meter::Meter,
};

use crate::App;

/// A read for a caller. At its end the partner is charged for what was read, also if the read failed.
pub(crate) struct Reading<'a> {
    ledger: Ledger,
    partner: &'a PartnerId,
    customers: &'a Customers,
    counted: Option<(&'a Meter, ReadUnits)>,
}

impl App {
    /// Begins a read of a partner's activities for a caller, unless the partner reads more than its limit.
    pub(crate) async fn begin_read<'a>(
        &'a self,
        caller: &'a Caller,
        partner: &'a PartnerId,
        now: Instant,
    ) -> Result<Reading<'a>, Problem> {
        self.begin(&self.ledger, caller, partner, now).await
    }

    /// Begins a read of a ledger for a caller, unless the partner reads more than its limit.
    pub(crate) async fn begin<'a>(
        &'a self,
        ledger: &Ledger,
        caller: &'a Caller,
        partner: &'a PartnerId,
        now: Instant,
    ) -> Result<Reading<'a>, Problem> {
        let (customers, ledger) = (caller.customers(), ledger.at(now));
        let Some(meter) = &self.meter else {
            return Ok(Reading { ledger, partner, customers, counted: None });
        };
        // One unit is taken before the read, and the others after it, because only the answers tell how many they are.
        if let (_, Some(over)) = Box::pin(meter.allow(partner, 1, now)).await {
            metrics::add(Metric::Refused, 1);
            return Err(over.into());
        }
        let units = ReadUnits::default();
        Ok(Reading { ledger: ledger.count_reads(&units), partner, customers, counted: Some((meter, units)) })
    }
}

impl Reading<'_> {
    /// Lists a page, as [`Ledger::list_page`] does, of what the caller may see.
    ///
    /// # Errors
    /// When the table fails.
    pub(crate) async fn list_page(
        &self,
        selection: Selection,
        limit: usize,
        after: Option<Position>,
        also: Option<&Condition<'_>>,
    ) -> Result<ActivityPage, Error> {
        let selection = self.restrict(selection);
        let mut read = after.clone();
        loop {
            let mut page = self.ledger.list_page(self.partner, &selection, limit, read, also).await?;
            let Some(next) = page.next.take() else { return Ok(page) };
            let shown = page.activities().last().map(|last| Position::behind(&last));
            page.next = self.told(&next, shown, after.as_ref(), &selection);
            if page.next.is_some() {
                return Ok(page);
            }
            read = Some(next);
        }
    }

    /// Hands activities to a visitor, as [`Ledger::visit`] does, of what the caller may see.
    ///
    /// # Errors
    /// When the table fails.
    pub(crate) async fn visit(
        &self,
        selection: Selection,
        after: Option<Position>,
        time: Duration,
        take: &mut (dyn FnMut(&Activity<&str>) -> bool + Send + '_),
    ) -> Result<Option<Position>, Error> {
        let selection = self.restrict(selection);
        let mut taken: Option<Position> = None;
        let mut read = after.clone();
        loop {
            let mut visitor = |activity: &Activity<&str>| {
                let is_taken = take(activity);
                match &mut taken {
                    _ if !is_taken => {}
                    Some(taken) => taken.step_behind(activity),
                    None => taken = Some(Position::behind(activity)),
                }
                is_taken
            };
            let next = self.ledger.visit(self.partner, &selection, read, time, &mut visitor).await?;
            let Some(next) = next else { return Ok(None) };
            let told = self.told(&next, taken.clone(), after.as_ref(), &selection);
            if told.is_some() {
                return Ok(told);
            }
            read = Some(next);
        }
    }

    /// Reads a page of the feed, as [`Ledger::feed_page`] does, of what the caller may see.
    ///
    /// # Errors
    /// When the table fails.
    pub(crate) async fn feed_page(
        &self,
        after: &FeedPosition,
        through: Instant,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let is_visible = |activity: &Activity<&str>| self.may_see(activity);
        let mut read = after.clone();
        loop {
            let mut page = self.ledger.feed_page(self.partner, &read, through, limit, &is_visible).await?;
            if self.customers.is_all() {
                return Ok(page);
            }
            // As in a list, a position behind an activity that the caller may not see is told to the whole second only.
            let shown = page.activities().last().map(|last| FeedPosition::behind(&last));
            let told = FeedPosition::before(page.next.recorded_at().truncated_to_seconds());
            let told = shown.map_or(told.clone(), |shown| shown.max(told));
            if told > *after || page.next.recorded_at() >= through.truncated_to_millis() {
                page.next = told.max(after.clone());
                return Ok(page);
            }
            read = page.next;
        }
    }

    /// Finds an activity that the caller may see.
    ///
    /// # Errors
    /// 404 for an activity that the caller may not see, as for one that does not exist; or when the table fails.
    pub(crate) async fn find(&self, occurred_at: Instant, id: &ActivityId) -> Result<StoredActivity, Problem> {
        let found = self.ledger.find(self.partner, occurred_at, id).await?;
        found.filter(|found| self.may_see(&found.activity())).ok_or_else(Problem::not_found)
    }

    fn may_see(&self, activity: &Activity<&str>) -> bool {
        self.customers.allow(activity.entry.customer.as_ref().map(|customer| customer.id))
    }

    /// Loads the details of an activity that was found.
    ///
    /// # Errors
    /// When a store fails.
    pub(crate) async fn load_details(&self, found: StoredActivity) -> Result<Activity, Error> {
        self.ledger.load_details(found).await
    }

    /// Writes details of an activity that was found to a file, and returns a link to the file.
    ///
    /// # Errors
    /// When a store fails.
    pub(crate) async fn publish_details(
        &self,
        activity: &Activity,
        details: String,
        method: LinkMethod,
    ) -> Result<String, Error> {
        self.ledger.publish_details(activity, details, method).await
    }

    fn restrict(&self, selection: Selection) -> Selection {
        Selection { filter: self.customers.restrict(selection.filter), ..selection }
    }

    /// Returns the position that the answer tells, or none if the read must go on first, so that the next page does not begin
    /// where this one did.
    ///
    /// `next` is behind everything that was read, `shown` behind the last activity of the answer, and `after` came with the
    /// request.
    fn told(
        &self,
        next: &Position,
        shown: Option<Position>,
        after: Option<&Position>,
        selection: &Selection,
    ) -> Option<Position> {
        if self.customers.is_all() {
            return Some(next.clone());
        }
        let order = selection.order;
        let told = next.without_activity(order);
        match (shown, after) {
            (Some(shown), _) => Some(told.later(shown, order)),
            (None, Some(after)) => Some(told.later(after.clone(), order)).filter(|told| told != after),
            // A position at the edge of the period is the beginning, or no position of the period.
            (None, None) => Some(told).filter(|told| selection.period.contains(told.occurred_at())),
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some((meter, units)) = &self.counted {
            meter.charge(self.partner, units.total().saturating_sub(1));
        }
    }
}
