//! The route of the audit.

use domain::{activity::PartnerId, filter::IdFilter};

use super::{Paging, Question, Refused};

/// List the audit
///
/// Who read the log, and who exported, downloaded, saw a secret, was refused or changed something: for the role `global_admin` and
/// for the operator. The parameters are those of the list of activities. `GET /v1/actions?log=audit` lists the kinds of acts.
/// Reads, and refusals of a route, have one entry for a caller and hour, at the beginning of the hour. The operator reads what
/// concerns no single partner at the partner `_installation`. No entry has a customer.
#[utoipa::path(get, path = "/v1/partners/{partner}/audit", tag = "audit", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), Question, Paging,
        ("customer" = Option<Vec<IdFilter>>, Query, description = "Accepted as in the list of activities; no entry has a customer", max_items = 50)),
    responses((status = 200, description = "A page", body = query::AuditAnswer, headers(("Link" = String, description = "The next page, `rel=\"next\"`"))), Refused))]
pub(super) fn list_audit() {}
