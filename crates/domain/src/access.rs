//! Access rights: one table, which denies by default.
//!
//! The gateway's authorizer verifies tokens; this module receives the token's subject, partner and roles. A caller of
//! another partner cannot find out whether a partner exists; a caller of the partner is told that a role is missing. A
//! verified token that lacks something reaches this module too, so that its caller reads what to send instead.

mod customers;
mod token_fault;

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

pub use self::{
    customers::{Customers, CustomersFault, MAX_CUSTOMERS_BYTES},
    token_fault::{TokenFault, TokenFaultKind},
};
use crate::activity::PartnerId;

/// A role, which a token's roles or scopes grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Administrator of everything.
    GlobalAdmin,
    /// Administrator of billing.
    BillingAdmin,
    /// Administrator of users.
    UserManagementAdmin,
    /// Agent with administrative rights.
    AdminAgent,
    /// Agent of sales.
    SalesAgent,
    /// Agent of the help desk.
    HelpdeskAgent,
    /// A machine with the scope `daybook/record`: a portal's back end.
    Recorder,
    /// A machine with the scope `daybook/read`.
    Reader,
    /// A machine with the scope `daybook/operate`: the operator of the installation.
    Operator,
}

impl Role {
    /// Finds a person's role by its name in the token's claim of roles. Only scopes grant machine roles.
    pub fn of_person(name: &str) -> Option<Self> {
        name.parse().ok().filter(|role: &Self| !role.is_of_machine())
    }

    /// Returns the roles that a person can have.
    pub fn of_people() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied().filter(|role| !role.is_of_machine())
    }

    fn is_of_machine(self) -> bool {
        matches!(self, Self::Recorder | Self::Reader | Self::Operator)
    }

    /// Finds the role that an OAuth scope grants to a machine.
    pub fn of_scope(scope: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|role| role.scope() == Some(scope))
    }

    /// Returns the OAuth scope that grants the role to a machine.
    fn scope(self) -> Option<&'static str> {
        match self {
            Self::Recorder => Some("daybook/record"),
            Self::Reader => Some("daybook/read"),
            Self::Operator => Some("daybook/operate"),
            _ => None,
        }
    }

    /// Lists the names of some roles of people.
    fn list(roles: impl Iterator<Item = Self>) -> String {
        roles.map(Into::into).collect::<Vec<&str>>().join(", ")
    }
}

/// A kind of request to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Record activities.
    Record,
    /// Read activities; create, list, download and cancel exports.
    Read,
    /// See and change a partner's settings, such as the schedule of monthly exports.
    Settings,
    /// See who read and changed what, and the partner's retention, holds and erasures.
    Oversee,
    /// Run the installation: across partners, or for its clients.
    Operate,
}

impl Operation {
    fn is_open_to(self, role: Role) -> bool {
        use Role::{
            AdminAgent, BillingAdmin, GlobalAdmin, HelpdeskAgent, Operator, Reader, Recorder, SalesAgent,
            UserManagementAdmin,
        };
        matches!(
            (self, role),
            (_, Operator)
                | (Self::Record, Recorder)
                | (Self::Read | Self::Settings, GlobalAdmin | AdminAgent | BillingAdmin)
                | (Self::Oversee, GlobalAdmin)
                | (Self::Read, UserManagementAdmin | SalesAgent | HelpdeskAgent | Reader)
        )
    }

    /// Tells whether the operation shows or changes what belongs to the whole partner.
    fn concerns_all_customers(self) -> bool {
        matches!(self, Self::Settings | Self::Oversee)
    }

    /// Returns the scope by which a partner's own client may do the operation.
    fn scope_of_partners(self) -> Option<&'static str> {
        let role = [Role::Recorder, Role::Reader].into_iter().find(|role| self.is_open_to(*role));
        role.and_then(Role::scope)
    }

    /// Lists the roles of people that may do the operation.
    fn roles_of_people(self) -> String {
        Role::list(Role::of_people().filter(|role| self.is_open_to(*role)))
    }
}

/// The refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The resource is not for the caller to see, or does not exist. Callers cannot tell the two apart.
    NotFound,
    /// The token is verified, and lacks something that every request needs.
    Token(TokenFault),
    /// None of the caller's roles allows the operation.
    Role {
        /// The operation.
        operation: Operation,
        /// Whether the caller is a machine, whose roles are scopes.
        is_machine: bool,
    },
    /// The request is about the caller's own partner, and the caller has none.
    NoOwnPartner,
    /// The export is somebody else's, and none of the caller's roles allows to remove it.
    ForeignExport,
}

/// What is missing, and what to send or whom to ask.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("No such resource, or none that this token can see."),
            Self::Token(fault) => fault.fmt(f),
            Self::Role { operation: Operation::Record, is_machine: false } => f.write_str(
                "No role of a person includes recording. Send the token of a back end's client with the scope daybook/record.",
            ),
            Self::Role { operation: Operation::Operate, .. } => f.write_str(
                "Only the operator of the installation may do this. Send a token with the scope daybook/operate.",
            ),
            Self::Role { operation, is_machine: true } => match operation.scope_of_partners() {
                Some(scope) => write!(
                    f,
                    "The scopes of this token do not include this. Request a token with the scope {scope}."
                ),
                None => write!(
                    f,
                    "No scope of a partner's client includes this. Send the token of a person with one of the roles {}.",
                    operation.roles_of_people()
                ),
            },
            Self::Role { operation, is_machine: false } => write!(
                f,
                "The roles of this token do not include this. Ask an administrator of the partner for one of {}.",
                operation.roles_of_people()
            ),
            Self::NoOwnPartner => f.write_str(
                "This token belongs to no partner. Name the partner: GET /v1/partners/{partner}/activities.",
            ),
            Self::ForeignExport => write!(
                f,
                "This export was requested by somebody else. Only that caller may remove it, or one of the roles {}.",
                Operation::Settings.roles_of_people()
            ),
        }
    }
}

/// The person or machine that created or changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Author {
    /// The subject of the token; null for schedules, and for what earlier versions stored.
    pub subject: Option<String>,
    /// The name to show.
    pub name: String,
}

/// An author without a token, such as a schedule.
impl From<String> for Author {
    fn from(name: String) -> Self {
        Self { subject: None, name }
    }
}

/// A caller with a verified token.
#[derive(Clone, Debug)]
pub struct Caller {
    subject: String,
    name: String,
    partner: Option<PartnerId>,
    roles: Vec<Role>,
    customers: Customers,
    fault: Option<TokenFault>,
    client: Option<String>,
}

impl Caller {
    /// Makes a caller from the claims of a verified token. The operator is never restricted to customers.
    ///
    /// A partner is never the one of the installation's own audit, so that no token but the operator's reads it.
    pub fn new(
        subject: String,
        name: String,
        partner: Option<PartnerId>,
        roles: Vec<Role>,
        customers: Customers,
    ) -> Self {
        let customers = if roles.contains(&Role::Operator) { Customers::ALL } else { customers };
        let partner = partner.filter(|partner| !partner.is_installation());
        Self { subject, name, partner, roles, customers, fault: None, client: None }
    }

    /// Makes a caller whose verified token lacks something. The caller has no role.
    pub fn with_fault(subject: String, name: String, fault: TokenFault) -> Self {
        let (partner, roles, customers) = (None, Vec::new(), Customers::NONE);
        Self { subject, name, partner, roles, customers, fault: Some(fault), client: None }
    }

    /// Names the client that the token was issued to, if the token says so.
    #[must_use]
    pub fn through(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }

    /// Checks that the caller may use the routes that are the same for every partner.
    ///
    /// # Errors
    /// [`Refusal::Token`] for a client that nobody has registered, because its tokens may be meant for another service.
    pub fn may_use_the_service(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(fault) if fault.kind == TokenFaultKind::UnregisteredClient => Err(Refusal::Token(fault.clone())),
            _ => Ok(()),
        }
    }

    /// Checks that the caller may do an operation on a partner.
    ///
    /// # Errors
    /// [`Refusal::Token`] if the token lacks something, whatever the partner; [`Refusal::NotFound`] for a partner that is not
    /// the caller's (all partners are the operator's), and for what concerns all customers if the caller is restricted to
    /// some; [`Refusal::Role`] if none of the caller's roles allows the operation.
    pub fn may(&self, operation: Operation, partner: &PartnerId) -> Result<(), Refusal> {
        self.check_token()?;
        let own = self.partner.as_ref() == Some(partner);
        if !own && !self.roles.contains(&Role::Operator) {
            return Err(Refusal::NotFound);
        }
        self.allowed(operation)
    }

    /// Checks that the caller may order what becomes of a partner's data: retention, holds, erasures. With `partners_may`, the
    /// partner's own overseers may.
    ///
    /// # Errors
    /// As [`Self::may`]; [`Refusal::Role`] for an overseer where only the operator may order.
    pub fn may_order(&self, partner: &PartnerId, partners_may: bool) -> Result<(), Refusal> {
        self.may(Operation::Oversee, partner)?;
        if partners_may { Ok(()) } else { self.may_operate() }
    }

    /// Checks that the caller may do an operation on its own partner, and returns the partner.
    ///
    /// # Errors
    /// [`Refusal::Token`], [`Refusal::Role`], or [`Refusal::NoOwnPartner`] for the operator, who has no partner.
    pub fn may_at_home(&self, operation: Operation) -> Result<&PartnerId, Refusal> {
        self.allowed(operation)?;
        self.partner.as_ref().ok_or(Refusal::NoOwnPartner)
    }

    /// Checks that the caller, who may read the partner's exports, may cancel or remove one of them.
    ///
    /// # Errors
    /// [`Refusal::ForeignExport`] if another subject created the export, unless the caller may change settings.
    pub fn may_remove_export(&self, created_by: Option<&str>) -> Result<(), Refusal> {
        let is_own = created_by == Some(self.subject());
        if is_own || self.has_role_for(Operation::Settings) { Ok(()) } else { Err(Refusal::ForeignExport) }
    }

    /// Checks that the caller is the operator.
    ///
    /// # Errors
    /// [`Refusal::Token`] or [`Refusal::Role`] for everybody else.
    pub fn may_operate(&self) -> Result<(), Refusal> {
        self.allowed(Operation::Operate)
    }

    fn allowed(&self, operation: Operation) -> Result<(), Refusal> {
        self.check_token()?;
        if operation.concerns_all_customers() && !self.customers.is_all() {
            return Err(Refusal::NotFound);
        }
        if self.has_role_for(operation) {
            return Ok(());
        }
        Err(Refusal::Role { operation, is_machine: self.is_machine() })
    }

    fn has_role_for(&self, operation: Operation) -> bool {
        self.roles.iter().any(|role| operation.is_open_to(*role))
    }

    fn check_token(&self) -> Result<(), Refusal> {
        self.fault.clone().map_or(Ok(()), |fault| Err(Refusal::Token(fault)))
    }

    /// Returns the partner that the token belongs to.
    pub fn partner(&self) -> Option<&PartnerId> {
        self.partner.as_ref()
    }

    /// Returns the roles that the token grants.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Returns the customers whose activities the caller may see.
    pub fn customers(&self) -> &Customers {
        &self.customers
    }

    /// Returns the client that the token was issued to, if the token says so.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Tells whether the caller is a machine, whose roles are scopes.
    pub fn is_machine(&self) -> bool {
        self.roles.iter().any(|role| role.is_of_machine())
    }

    /// Returns the fault of the token, if it has one.
    pub fn fault(&self) -> Option<&TokenFault> {
        self.fault.as_ref()
    }

    /// Returns the token's subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the caller as the author of what it changes.
    pub fn author(&self) -> Author {
        Author { subject: Some(self.subject.clone()), name: self.name().to_owned() }
    }

    /// Returns the name to show, or the subject if the token has no name.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { &self.subject } else { &self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(partner: &str, roles: &[Role]) -> Caller {
        restricted(partner, roles, Customers::ALL)
    }

    fn restricted(partner: &str, roles: &[Role], customers: Customers) -> Caller {
        Caller::new("s".into(), String::new(), PartnerId::parse(partner).ok(), roles.to_vec(), customers)
    }

    #[test]
    fn each_role_allows_what_the_table_says() {
        use Operation::{Operate, Oversee, Read, Record, Settings};
        let contoso = PartnerId::parse("contoso").unwrap();
        for role in Role::VARIANTS.iter().copied() {
            let may: Vec<Operation> = [Record, Read, Settings, Oversee, Operate]
                .into_iter()
                .filter(|operation| caller("contoso", &[role]).may(*operation, &contoso).is_ok())
                .collect();
            let expected = match role {
                Role::GlobalAdmin => vec![Read, Settings, Oversee],
                Role::AdminAgent | Role::BillingAdmin => vec![Read, Settings],
                Role::UserManagementAdmin | Role::SalesAgent | Role::HelpdeskAgent | Role::Reader => vec![Read],
                Role::Recorder => vec![Record],
                Role::Operator => vec![Record, Read, Settings, Oversee, Operate],
            };
            assert_eq!(may, expected, "{role}");
            assert_eq!(role.to_string().parse(), Ok(role));
        }
    }

    #[test]
    fn other_partners_do_not_exist_for_any_role() {
        let fabrikam = PartnerId::parse("fabrikam").unwrap();
        for role in Role::VARIANTS.iter().copied().filter(|role| *role != Role::Operator) {
            for operation in [Operation::Record, Operation::Read, Operation::Settings, Operation::Oversee] {
                assert_eq!(caller("contoso", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
                assert_eq!(caller("", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
            }
        }
        assert_eq!(caller("", &[Role::Operator]).may(Operation::Read, &fabrikam), Ok(()));
    }

    #[test]
    fn restricted_caller_finds_nothing_of_the_whole_partner() {
        use Operation::{Operate, Oversee, Read, Record, Settings};
        let (contoso, fabrikam) = (PartnerId::parse("contoso").unwrap(), PartnerId::parse("fabrikam").unwrap());
        for customers in [Customers::NONE, Customers::parse(["a"]).unwrap()] {
            for role in Role::VARIANTS.iter().copied().filter(|role| *role != Role::Operator) {
                let (free, held) = (caller("contoso", &[role]), restricted("contoso", &[role], customers.clone()));
                assert_eq!(held.customers(), &customers);
                for operation in [Settings, Oversee] {
                    assert_eq!(held.may(operation, &contoso), Err(Refusal::NotFound), "{role}");
                    assert_eq!(held.may_at_home(operation), Err(Refusal::NotFound), "{role}");
                }
                for operation in [Record, Read, Operate] {
                    assert_eq!(held.may(operation, &contoso), free.may(operation, &contoso), "{role}");
                    assert_eq!(held.may(operation, &fabrikam), Err(Refusal::NotFound), "{role}");
                }
            }
            // Whatever a token or a registration says, the operator runs the whole installation.
            let operator = restricted("contoso", &[Role::Operator, Role::Reader], customers);
            assert!(operator.customers().is_all());
            assert_eq!(operator.may(Settings, &fabrikam), Ok(()));
        }
    }

    #[test]
    fn people_cannot_hold_machine_roles() {
        for role in Role::VARIANTS.iter().copied() {
            let is_machine = matches!(role, Role::Recorder | Role::Reader | Role::Operator);
            assert_eq!(Role::of_person(&role.to_string()), (!is_machine).then_some(role));
        }
        assert_eq!(Role::of_person("sales_agent"), Some(Role::SalesAgent));
        for (scope, role) in [
            ("daybook/record", Some(Role::Recorder)),
            ("daybook/read", Some(Role::Reader)),
            ("daybook/operate", Some(Role::Operator)),
            ("operate", None),
        ] {
            assert_eq!(Role::of_scope(scope), role);
        }
    }

    #[test]
    fn a_caller_acts_for_its_own_partner() {
        let contoso = PartnerId::parse("contoso").unwrap();
        let refused = |operation, is_machine| Refusal::Role { operation, is_machine };
        let reader = caller("contoso", &[Role::Reader]);
        assert_eq!((reader.may_at_home(Operation::Read), reader.partner()), (Ok(&contoso), Some(&contoso)));
        assert_eq!(reader.may_at_home(Operation::Record), Err(refused(Operation::Record, true)));
        assert_eq!(caller("", &[Role::Operator]).may_at_home(Operation::Read), Err(Refusal::NoOwnPartner));
        assert_eq!(caller("contoso", &[]).may(Operation::Read, &contoso), Err(refused(Operation::Read, false)));
    }

    #[test]
    fn refusal_says_what_to_send() {
        let contoso = PartnerId::parse("contoso").unwrap();
        let refusal =
            |roles: &[Role], operation| caller("contoso", roles).may(operation, &contoso).unwrap_err().to_string();
        for (role, operation, said) in [
            (Role::Reader, Operation::Record, "Request a token with the scope daybook/record."),
            (Role::Recorder, Operation::Read, "Request a token with the scope daybook/read."),
            (
                Role::Recorder,
                Operation::Settings,
                "a person with one of the roles global_admin, billing_admin, admin_agent.",
            ),
            (Role::HelpdeskAgent, Operation::Settings, "one of global_admin, billing_admin, admin_agent."),
            (Role::GlobalAdmin, Operation::Record, "a back end's client with the scope daybook/record."),
            (Role::GlobalAdmin, Operation::Operate, "the scope daybook/operate."),
            (Role::Reader, Operation::Operate, "the scope daybook/operate."),
        ] {
            let refusal = refusal(&[role], operation);
            assert!(refusal.ends_with(said), "{role}: {refusal}");
            assert!(!refusal.contains("administrator") || !role.is_of_machine(), "{role}: {refusal}");
        }
    }

    #[test]
    fn faulty_token_is_refused_before_the_partner_is_seen() {
        let (contoso, fabrikam) = (PartnerId::parse("contoso").unwrap(), PartnerId::parse("fabrikam").unwrap());
        for kind in TokenFaultKind::VARIANTS.iter().copied() {
            let fault = TokenFault { kind, name: "orders".into() };
            let refused = Refusal::Token(fault.clone());
            let faulty = Caller::with_fault("s".into(), String::new(), fault.clone());
            assert_eq!((faulty.fault(), caller("contoso", &[Role::Reader]).fault()), (Some(&fault), None));
            assert_eq!(faulty.customers(), &Customers::NONE);
            for operation in [Operation::Record, Operation::Read, Operation::Settings, Operation::Operate] {
                assert_eq!(faulty.may(operation, &contoso), Err(refused.clone()));
                assert_eq!(faulty.may(operation, &fabrikam), Err(refused.clone()));
                assert_eq!(faulty.may_at_home(operation), Err(refused.clone()));
            }
            assert_eq!(faulty.may_operate(), Err(refused.clone()));
            // The catalogue of actions needs neither partner nor role.
            let is_stranger = kind == TokenFaultKind::UnregisteredClient;
            assert_eq!(faulty.may_use_the_service().is_err(), is_stranger, "{kind}");
            assert!(refused.to_string().contains("\"orders\""), "{refused}");
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn export_is_removed_by_its_creator_or_a_manager() {
        for role in Role::VARIANTS.iter().copied() {
            let caller = caller("contoso", &[role]);
            assert_eq!(caller.may_remove_export(Some("s")), Ok(()), "{role}");
            let manages = matches!(role, Role::GlobalAdmin | Role::BillingAdmin | Role::AdminAgent | Role::Operator);
            let expected = if manages { Ok(()) } else { Err(Refusal::ForeignExport) };
            // Exports of schedules, and those of earlier versions, name no subject.
            for other in [Some("t"), Some(""), None] {
                assert_eq!(caller.may_remove_export(other), expected, "{role} {other:?}");
            }
        }
    }

    #[test]
    fn data_are_ordered_away_by_the_operator_and_by_overseers_where_they_may() {
        let (contoso, fabrikam) = (PartnerId::parse("contoso").unwrap(), PartnerId::parse("fabrikam").unwrap());
        for role in Role::VARIANTS.iter().copied() {
            let caller = caller("contoso", &[role]);
            let is_operator = role == Role::Operator;
            assert_eq!(caller.may_order(&contoso, false).is_ok(), is_operator, "{role}");
            assert_eq!(caller.may_order(&contoso, true).is_ok(), is_operator || role == Role::GlobalAdmin, "{role}");
            assert_eq!(caller.may_order(&fabrikam, true).is_ok(), is_operator, "{role}");
        }
    }

    #[test]
    fn only_the_operator_operates() {
        for role in Role::VARIANTS.iter().copied() {
            assert_eq!(caller("contoso", &[role]).may_operate().is_ok(), role == Role::Operator, "{role}");
        }
    }

    #[test]
    fn only_the_operator_reaches_the_installations_audit() {
        let installation = PartnerId::installation();
        for role in Role::VARIANTS.iter().copied() {
            let caller = caller(PartnerId::INSTALLATION, &[role]);
            assert_eq!(caller.partner(), None, "{role}");
            let expected = if role == Role::Operator { Ok(()) } else { Err(Refusal::NotFound) };
            assert_eq!(caller.may(Operation::Oversee, &installation), expected, "{role}");
        }
    }

    #[test]
    fn a_caller_without_a_name_is_shown_by_its_subject() {
        let named = |name: &str| Caller::new("s".to_owned(), name.to_owned(), None, Vec::new(), Customers::ALL);
        assert_eq!((named("Ana").name(), named("").name(), named("Ana").subject()), ("Ana", "s", "s"));
    }
}
