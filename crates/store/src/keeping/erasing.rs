//! Orders to erase: activities first, then every other place that names what is erased.

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use domain::{
    activity::{Activity, PartnerId},
    audit::{AuditAction, AuditEntry},
    lifecycle::{ERASED_NAME, ErasureOrder, ErasureState, Group, Named, Selector},
    time::{Month, Zone, seconds_between},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ulid::Ulid;

use super::{
    Keeper, Left, Run,
    files::{Withdrawal, has_files, touches},
};
use crate::{
    error::Error,
    ledger::{ErasePlan, Erased, MonthErasure},
    orders::{Progress, Stage, StoredOrder},
};

/// The time after which a worker that lost its job has stopped, in seconds: its lease, and what a call may take.
const WORKER_STOPS_SECONDS: i64 = 420;
/// The time after which an order that was never stored is given up, in seconds. Its sender was told that it failed.
const LOST_ORDER_SECONDS: i64 = 3_600;

impl Keeper {
    /// Carries out an order, as far as the time and holds allow.
    pub(super) async fn carry_out(&self, partner: &PartnerId, id: &str, run: &Run<'_>) -> Result<Left, Error> {
        let Some(mut stored) = self.control.erasure(partner, id).await? else {
            let is_lost = Ulid::from_string(id).is_ok_and(|ulid| {
                let sent_ms = i64::try_from(ulid.timestamp_ms()).unwrap_or(i64::MAX);
                run.now.micros() / 1_000 - sent_ms > LOST_ORDER_SECONDS * 1_000
            });
            if is_lost {
                self.close(partner, id).await?;
            }
            return Ok(Left::Done);
        };
        if stored.order.state == ErasureState::Done {
            self.close(partner, id).await?;
            return Ok(Left::Done);
        }
        if stored.order.state == ErasureState::Held && !self.is_released(partner, &stored).await? {
            return Ok(Left::Done);
        }
        if stored.order.state != ErasureState::Running {
            let progress = std::mem::take(&mut stored.progress);
            // What was seen before stays, so that a later run also cleans the places of names seen in an earlier one.
            stored.progress = Progress { names: progress.names, months: progress.months, ..Progress::default() };
            stored.order.tally.activities = 0;
            stored.order.tally.held = 0;
            stored.order.tally.mentions = 0;
            stored.order.state = ErasureState::Running;
            if !self.control.save_erasure(partner, &mut stored).await? {
                return Ok(Left::Done);
            }
        }
        self.go_on(partner, &mut stored, run).await
    }

    /// Whether something that the order waits for may be free.
    async fn is_released(&self, partner: &PartnerId, stored: &StoredOrder) -> Result<bool, Error> {
        let lifecycle = self.partners.read(partner).await?.lifecycle;
        let since = stored.progress.wait_until;
        Ok(lifecycle.holds.iter().any(|hold| hold.released_at.is_some_and(|at| since.is_none_or(|since| at >= since))))
    }

    async fn go_on(&self, partner: &PartnerId, stored: &mut StoredOrder, run: &Run<'_>) -> Result<Left, Error> {
        let Some(selector) = stored.order.selector.clone() else {
            return Err(Error::permanent("reading an erasure", "an order that is not done has no selector"));
        };
        loop {
            let is_complete = match stored.progress.stage {
                Stage::Activities => self.erase_activities(partner, &selector, stored, run).await?,
                Stage::Audit => self.erase_audit(partner, &selector, stored, run).await?,
                Stage::Exports => self.clean_exports(partner, &selector, stored, run).await?,
                Stage::DeadLetters => self.clean_dead_letters(partner, &selector, stored).await?,
                Stage::Files => match self.files_to_wait_for(partner, stored, run).await? {
                    Some(wait) => return Ok(Left::Waiting(wait)),
                    None => return self.finish(partner, &selector, stored, run).await,
                },
            };
            if is_complete {
                stored.progress.stage = next_stage(stored.progress.stage, stored.order.dry_run);
                (stored.progress.month, stored.progress.position) = (None, Erased::default());
            }
            if !self.control.save_erasure(partner, stored).await? {
                // Another run carries out the same order.
                return Ok(Left::Done);
            }
            if !is_complete {
                return Ok(Left::Unfinished);
            }
        }
    }

    async fn erase_activities(
        &self,
        partner: &PartnerId,
        selector: &Selector,
        stored: &mut StoredOrder,
        run: &Run<'_>,
    ) -> Result<bool, Error> {
        let selects = |activity: &Activity<&str>| selector.selects(activity);
        let plan = ErasePlan {
            order: &stored.order.clone(),
            selects: &selects,
            mentioned: selector.id(),
            partners: Some(&self.partners),
        };
        let months = self.activities.months(partner).await?;
        for (month, shards) in months.into_iter().filter(|(month, _)| may_hold(selector, *month)) {
            if stored.progress.month.is_some_and(|reached| month < reached) {
                continue;
            }
            let from = match stored.progress.month {
                Some(reached) if reached == month => stored.progress.position.clone(),
                _ => Erased::default(),
            };
            let found = self.activities.erase_month(partner, (month, shards), &plan, from, run.may_go_on).await?;
            let next = add(stored, month, found);
            if let Some(next) = next {
                (stored.progress.month, stored.progress.position) = (Some(month), next);
                return Ok(false);
            }
            stored.progress.month = Some(month.next());
        }
        Ok(true)
    }

    /// Erases in the audit what names the person, customer or thing.
    async fn erase_audit(
        &self,
        partner: &PartnerId,
        selector: &Selector,
        stored: &mut StoredOrder,
        run: &Run<'_>,
    ) -> Result<bool, Error> {
        let order = ErasureOrder {
            // The source too: it is the client of the token, which for a program is the actor again.
            groups: vec![
                Group::Actor,
                Group::Customer,
                Group::Target,
                Group::Reason,
                Group::Changes,
                Group::Details,
                Group::Source,
            ],
            ..stored.order.clone()
        };
        let named = Named { selector, names: &stored.progress.names };
        let selects = |activity: &Activity<&str>| {
            // As it would be shown, so that no field is forgotten.
            selector.id().is_some() && serde_json::to_string(activity).is_ok_and(|shown| named.is_in(&shown))
        };
        let plan = ErasePlan { order: &order, selects: &selects, mentioned: None, partners: None };
        for (month, shards) in self.audit.months(partner).await? {
            if stored.progress.month.is_some_and(|reached| month < reached) {
                continue;
            }
            let from = match stored.progress.month {
                Some(reached) if reached == month => stored.progress.position.clone(),
                _ => Erased::default(),
            };
            let found = self.audit.erase_month(partner, (month, shards), &plan, from, run.may_go_on).await?;
            if let Some(next) = found.next {
                (stored.progress.month, stored.progress.position) = (Some(month), next);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes the exports that hold erased activities, and takes names out of what is left.
    async fn clean_exports(
        &self,
        partner: &PartnerId,
        selector: &Selector,
        stored: &mut StoredOrder,
        run: &Run<'_>,
    ) -> Result<bool, Error> {
        let problem = format!(
            "The files were removed, because activities in them were erased (order {}). Request the export again.",
            stored.order.id
        );
        let why = Withdrawal { problem: &problem, order: Some(&stored.order.id), remakes: true, now: run.now };
        let mut exports = 0;
        for found in self.all_jobs(partner).await? {
            let (job, status) = &found;
            let holds = stored.progress.months.iter().any(|month| touches(job, &month.period(Zone::UTC)));
            // A run before may have died after it had taken the export back.
            let is_taken_back = status.problem.as_ref().is_some_and(|problem| problem.contains(&stored.order.id));
            if holds && (has_files(status) || is_taken_back) {
                exports += 1;
                if !stored.order.dry_run && self.withdraw(partner, &found, &why).await? {
                    stored.progress.interrupted.insert(job.id.clone());
                    stored.progress.wait_until = Some(run.now.plus_seconds(WORKER_STOPS_SECONDS));
                }
            }
            if !stored.order.dry_run {
                self.clean_job(partner, &job.id, &Named { selector, names: &stored.progress.names }).await?;
            }
        }
        stored.order.tally.exports = exports;
        if !stored.order.dry_run {
            self.clean_records(partner, &Named { selector, names: &stored.progress.names }).await?;
        }
        Ok(true)
    }

    async fn clean_job(&self, partner: &PartnerId, id: &str, named: &Named<'_>) -> Result<(), Error> {
        let Some((read, _)) = self.control.job(partner, id).await? else { return Ok(()) };
        let (mut job, mut author) = (read.clone(), read.author());
        let is_changed = named.clean_author(&mut author) | named.clean_filter(&mut job.request.filter);
        (job.created_by, job.created_by_subject) = (author.name, author.subject);
        // A job that was changed meanwhile was made anew, and is cleaned when the order is carried out again.
        if is_changed && !self.control.replace_job(partner, &read, &job).await? {
            return Err(Error::Unavailable {
                operation: "cleaning an export",
                source: "it was changed meanwhile".into(),
            });
        }
        Ok(())
    }

    /// Takes names out of the schedule, the streams, the settings, the registration and what is decided.
    async fn clean_records(&self, partner: &PartnerId, named: &Named<'_>) -> Result<(), Error> {
        let overtaken = |operation| Err(Error::Unavailable { operation, source: "it was changed meanwhile".into() });
        if let Some(mut schedule) = self.control.schedule(partner).await? {
            let mut author = domain::access::Author {
                subject: schedule.updated_by_subject.clone(),
                name: schedule.updated_by.clone(),
            };
            let is_changed = named.clean_author(&mut author) | named.clean_filter(&mut schedule.filter);
            (schedule.updated_by, schedule.updated_by_subject) = (author.name, author.subject);
            if is_changed && !self.control.save_schedule(partner, &mut schedule, self.grace_seconds).await? {
                return overtaken("cleaning a schedule");
            }
        }
        for mut stream in self.streams.list(partner).await? {
            let is_changed = named.clean_author(&mut stream.created_by)
                | named.clean_author(&mut stream.updated_by)
                | named.clean_filter(&mut stream.settings.filter);
            if is_changed && !self.streams.clean(partner, &stream).await? {
                return overtaken("cleaning a stream");
            }
        }
        let record = self.partners.read(partner).await?;
        if let Some(name) = record.settings.updated_by.clone() {
            let mut author = domain::access::Author { subject: record.settings.updated_by_subject.clone(), name };
            if named.clean_author(&mut author) {
                let mut settings = record.settings.clone();
                (settings.updated_by, settings.updated_by_subject) = (Some(author.name), author.subject);
                if !self.partners.save(partner, &record.settings, &settings).await? {
                    return overtaken("cleaning settings");
                }
            }
        }
        if let Some(read) = record.registration {
            let mut registration = read.clone();
            if named.clean_author(&mut registration.updated_by)
                && !self.partners.save_registration(partner, Some(&read), &registration).await?
            {
                return overtaken("cleaning a registration");
            }
        }
        let cleaned = self.partners.change_lifecycle(partner, |lifecycle| {
            lifecycle.clean_authors(named);
            Ok::<_, Infallible>(())
        });
        cleaned.await.map(drop)
    }

    async fn clean_dead_letters(
        &self,
        partner: &PartnerId,
        selector: &Selector,
        stored: &StoredOrder,
    ) -> Result<bool, Error> {
        let named = Named { selector, names: &stored.progress.names };
        let addresses: Vec<String> = match selector {
            Selector::Activities(addresses) => addresses.iter().map(|(_, id)| format!("\"{id}\"")).collect(),
            _ => Vec::new(),
        };
        let is_named =
            |text: &str| named.is_in(text) || addresses.iter().any(|address| text.contains(address.as_str()));
        self.dead_letters.redact(partner, &is_named).await?;
        Ok(true)
    }

    /// Removes once more what workers may have stored after their exports were removed. Returns how long to wait until then.
    async fn files_to_wait_for(
        &self,
        partner: &PartnerId,
        stored: &StoredOrder,
        run: &Run<'_>,
    ) -> Result<Option<Duration>, Error> {
        let Some(until) = stored.progress.wait_until else { return Ok(None) };
        let wait = seconds_between(run.now, until);
        if wait > 0 {
            return Ok(Some(Duration::from_secs(wait.unsigned_abs())));
        }
        for id in &stored.progress.interrupted {
            let objects = domain::job::Job::objects_of(partner, id);
            let kept = self.control.job(partner, id).await?.filter(|(job, _)| job.renewed_at.is_some());
            let kept = kept.map(|(job, _)| job.object_key(partner, ""));
            self.activities.delete_files(&objects, kept.as_deref()).await?;
        }
        Ok(None)
    }

    /// Ends an order, or leaves it until a hold is released.
    async fn finish(
        &self,
        partner: &PartnerId,
        selector: &Selector,
        stored: &mut StoredOrder,
        run: &Run<'_>,
    ) -> Result<Left, Error> {
        if stored.order.tally.held > 0 && !stored.order.dry_run {
            stored.order.state = ErasureState::Held;
            stored.progress.wait_until = Some(run.now);
            self.control.save_erasure(partner, stored).await?;
            return Ok(Left::Done);
        }
        let order = &mut stored.order;
        if !order.dry_run {
            let key = (self.order_keys)(order.id.clone()).await?;
            order.digests = selector.values().iter().map(|value| digest(&key, value)).collect();
            let named = Named { selector, names: &stored.progress.names };
            if named.is_in(&order.reason) {
                ERASED_NAME.clone_into(&mut order.reason);
            }
            named.clean_author(&mut order.created_by);
        }
        let entry = AuditEntry::new(AuditAction::ErasureFinished).about("erasure", &order.id);
        let counts = serde_json::json!({"activities": order.tally.activities, "exports": order.tally.exports});
        let entry = entry.changed(&serde_json::Value::Null, &counts);
        order.selector = None;
        order.state = ErasureState::Done;
        order.finished_at = Some(run.now);
        stored.progress = Progress::default();
        if !stored.order.dry_run {
            self.note(partner, entry, run.now).await?;
        }
        if self.control.save_erasure(partner, stored).await? {
            self.close(partner, &stored.order.id).await?;
        }
        Ok(Left::Done)
    }

    /// Takes an order out of those that are not done.
    async fn close(&self, partner: &PartnerId, id: &str) -> Result<(), Error> {
        let closed = self.partners.change_lifecycle(partner, |lifecycle| {
            lifecycle.open_erasures.remove(id);
            Ok::<_, Infallible>(())
        });
        closed.await.map(drop)
    }

    /// Carries out again all orders of a partner, because a table was restored. What done ones selected is found by keyed
    /// digests. Those that wait for a hold have erased what it does not keep, so they count too. The files of exports are not
    /// looked at: after a restore they are those of before it.
    pub(super) async fn erase_again(&self, partner: &PartnerId, run: &Run<'_>) -> Result<Left, Error> {
        let (mut orders, mut after) = (Vec::new(), None::<String>);
        loop {
            let (page, next) = self.control.erasures(partner, 100, after.as_deref()).await?;
            orders.extend(page);
            let Some(next) = next else { break };
            after = Some(next);
        }
        for StoredOrder { order, progress, .. } in orders.iter().rev().filter(|stored| has_begun(&stored.order)) {
            let key = (self.order_keys)(order.id.clone()).await?;
            let digests: BTreeSet<&str> = order.digests.iter().map(String::as_str).collect();
            // What was recorded since is not the subject of an order that is done, and of one that waits not yet.
            let ended_at = match order.state {
                ErasureState::Done => order.finished_at,
                ErasureState::Held => progress.wait_until,
                ErasureState::Pending | ErasureState::Running => None,
            };
            let selects = |activity: &Activity<&str>| {
                let is_meant = || match &order.selector {
                    Some(selector) => selector.selects(activity),
                    None => {
                        let value = order.kind.value_of(activity);
                        value.is_some_and(|value| digests.contains(digest(&key, &value).as_str()))
                    }
                };
                ended_at.is_none_or(|ended_at| activity.recorded_at <= ended_at) && is_meant()
            };
            let plan = ErasePlan { order, selects: &selects, mentioned: None, partners: Some(&self.partners) };
            for (month, shards) in self.activities.months(partner).await? {
                let found = self
                    .activities
                    .erase_month(partner, (month, shards), &plan, Erased::default(), run.may_go_on)
                    .await?;
                if found.next.is_some() {
                    return Ok(Left::Unfinished);
                }
            }
        }
        Ok(Left::Done)
    }
}

/// Whether an order may have erased something.
fn has_begun(order: &ErasureOrder) -> bool {
    !order.dry_run && order.state != ErasureState::Pending
}

/// Adds what was found in a month to an order. Returns where the month goes on, if the time was up.
fn add(stored: &mut StoredOrder, month: Month, found: MonthErasure) -> Option<Erased> {
    let tally = &mut stored.order.tally;
    tally.activities += found.activities;
    tally.held += found.held;
    tally.mentions += found.mentions;
    stored.progress.names.extend(found.names);
    if found.activities > 0 {
        stored.progress.months.insert(month);
    }
    found.next
}

fn next_stage(stage: Stage, dry_run: bool) -> Stage {
    match stage {
        Stage::Activities if dry_run => Stage::Exports,
        Stage::Activities => Stage::Audit,
        Stage::Audit => Stage::Exports,
        Stage::Exports if dry_run => Stage::Files,
        Stage::Exports => Stage::DeadLetters,
        Stage::DeadLetters | Stage::Files => Stage::Files,
    }
}

/// Whether a month in UTC may hold selected activities.
fn may_hold(selector: &Selector, month: Month) -> bool {
    match selector {
        Selector::Activities(addresses) => addresses.iter().any(|(at, _)| at.utc_month() == month),
        _ => true,
    }
}

/// The keyed digest of a value: HMAC-SHA-256, hex.
fn digest(key: &[u8], value: &str) -> String {
    // A key of any length is allowed (RFC 2104, section 2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(value.as_bytes());
    domain::text::hex(&mac.finalize().into_bytes())
}
