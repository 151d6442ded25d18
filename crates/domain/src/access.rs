//! Access rights: one table, which denies by default.
//!
//! The gateway's authorizer verifies tokens; this module receives the token's subject, partner and roles. A caller of
//! another partner cannot find out whether a partner exists; a caller of the partner is told that a role is missing.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

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
        match scope {
            "daybook/record" => Some(Self::Recorder),
            "daybook/read" => Some(Self::Reader),
            "daybook/operate" => Some(Self::Operator),
            _ => None,
        }
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
                | (Self::Read, UserManagementAdmin | SalesAgent | HelpdeskAgent | Reader)
        )
    }
}

/// The refusal of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The partner is not the caller's, or does not exist. Callers cannot tell the two apart.
    NotFound,
    /// The partner is the caller's, but none of its roles allows the request.
    Forbidden,
}

/// A caller with a verified token.
#[derive(Clone, Debug)]
pub struct Caller {
    subject: String,
    name: String,
    partner: Option<PartnerId>,
    roles: Vec<Role>,
}

impl Caller {
    /// Makes a caller from the claims of a verified token.
    pub fn new(subject: String, name: String, partner: Option<PartnerId>, roles: Vec<Role>) -> Self {
        Self { subject, name, partner, roles }
    }

    /// Checks that the caller may do an operation on a partner.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a partner that is not the caller's (all partners are the operator's);
    /// [`Refusal::Forbidden`] if none of the caller's roles allows the operation.
    pub fn may(&self, operation: Operation, partner: &PartnerId) -> Result<(), Refusal> {
        let own = self.partner.as_ref() == Some(partner);
        if !own && !self.roles.contains(&Role::Operator) {
            return Err(Refusal::NotFound);
        }
        self.allowed(operation)
    }

    /// Checks that the caller may do an operation on its own partner, and returns the partner.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if the token has no partner, or none of the caller's roles allows the operation.
    pub fn may_at_home(&self, operation: Operation) -> Result<&PartnerId, Refusal> {
        self.allowed(operation)?;
        self.partner.as_ref().ok_or(Refusal::Forbidden)
    }

    /// Checks that the caller is the operator.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] for everybody else.
    pub fn may_operate(&self) -> Result<(), Refusal> {
        self.allowed(Operation::Operate)
    }

    fn allowed(&self, operation: Operation) -> Result<(), Refusal> {
        let allowed = self.roles.iter().any(|role| operation.is_open_to(*role));
        if allowed { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// Returns the token's subject.
    pub fn subject(&self) -> &str {
        &self.subject
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
        Caller::new("s".into(), String::new(), PartnerId::parse(partner).ok(), roles.to_vec())
    }

    #[test]
    fn each_role_allows_what_the_table_says() {
        use Operation::{Operate, Read, Record, Settings};
        let contoso = PartnerId::parse("contoso").unwrap();
        for role in Role::VARIANTS.iter().copied() {
            let may: Vec<Operation> = [Record, Read, Settings, Operate]
                .into_iter()
                .filter(|operation| caller("contoso", &[role]).may(*operation, &contoso).is_ok())
                .collect();
            let expected = match role {
                Role::GlobalAdmin | Role::AdminAgent | Role::BillingAdmin => vec![Read, Settings],
                Role::UserManagementAdmin | Role::SalesAgent | Role::HelpdeskAgent | Role::Reader => vec![Read],
                Role::Recorder => vec![Record],
                Role::Operator => vec![Record, Read, Settings, Operate],
            };
            assert_eq!(may, expected, "{role}");
            assert_eq!(role.to_string().parse(), Ok(role));
        }
    }

    #[test]
    fn other_partners_do_not_exist_for_any_role() {
        let fabrikam = PartnerId::parse("fabrikam").unwrap();
        for role in Role::VARIANTS.iter().copied().filter(|role| *role != Role::Operator) {
            for operation in [Operation::Record, Operation::Read, Operation::Settings] {
                assert_eq!(caller("contoso", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
                assert_eq!(caller("", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
            }
        }
        assert_eq!(caller("", &[Role::Operator]).may(Operation::Read, &fabrikam), Ok(()));
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
        assert_eq!(caller("contoso", &[Role::Reader]).may_at_home(Operation::Read), Ok(&contoso));
        assert_eq!(caller("contoso", &[Role::Reader]).may_at_home(Operation::Record), Err(Refusal::Forbidden));
        assert_eq!(caller("", &[Role::Operator]).may_at_home(Operation::Read), Err(Refusal::Forbidden));
        assert_eq!(caller("contoso", &[]).may(Operation::Read, &contoso), Err(Refusal::Forbidden));
    }

    #[test]
    fn only_the_operator_operates() {
        for role in Role::VARIANTS.iter().copied() {
            let expected = if role == Role::Operator { Ok(()) } else { Err(Refusal::Forbidden) };
            assert_eq!(caller("contoso", &[role]).may_operate(), expected, "{role}");
        }
    }

    #[test]
    fn a_caller_without_a_name_is_shown_by_its_subject() {
        let named = |name: &str| Caller::new("s".to_owned(), name.to_owned(), None, Vec::new());
        assert_eq!((named("Ana").name(), named("").name(), named("Ana").subject()), ("Ana", "s", "s"));
    }
}
