//! Who may do what: one table, denied by default.
//!
//! The gateway's authorizer has verified the token; what arrives here is its subject, partner and roles. A caller of
//! another partner learns nothing, not even that the partner exists; a caller of this partner learns what it lacks.

use std::{fmt, str::FromStr};

use crate::activity::PartnerId;

/// What a caller was given, by its token's roles or scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `global_admin`
    GlobalAdmin,
    /// `billing_admin`
    BillingAdmin,
    /// `user_management_admin`
    UserManagementAdmin,
    /// `admin_agent`
    AdminAgent,
    /// `sales_agent`
    SalesAgent,
    /// `helpdesk_agent`
    HelpdeskAgent,
    /// A machine with the scope `daybook/record`: a portal's back end.
    Recorder,
    /// A machine with the scope `daybook/read`.
    Reader,
    /// A machine with the scope `daybook/operate`: who runs the installation.
    Operator,
}

const NAMES: [(Role, &str); 9] = [
    (Role::GlobalAdmin, "global_admin"),
    (Role::BillingAdmin, "billing_admin"),
    (Role::UserManagementAdmin, "user_management_admin"),
    (Role::AdminAgent, "admin_agent"),
    (Role::SalesAgent, "sales_agent"),
    (Role::HelpdeskAgent, "helpdesk_agent"),
    (Role::Recorder, "recorder"),
    (Role::Reader, "reader"),
    (Role::Operator, "operator"),
];

impl Role {
    /// The role of a person by its name in a token's claim of roles. Machines' roles come from scopes alone.
    pub fn of_person(name: &str) -> Option<Self> {
        name.parse().ok().filter(|role| !matches!(role, Self::Recorder | Self::Reader | Self::Operator))
    }

    /// The role that an OAuth scope gives to a machine.
    pub fn of_scope(scope: &str) -> Option<Self> {
        match scope {
            "daybook/record" => Some(Self::Recorder),
            "daybook/read" => Some(Self::Reader),
            "daybook/operate" => Some(Self::Operator),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        NAMES.iter().find(|(_, name)| *name == text).map(|(role, _)| *role).ok_or(())
    }
}

/// What can be asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Record activities.
    Record,
    /// Read activities; make, list, download and cancel exports.
    Read,
    /// See and change a partner's settings, such as the schedule of monthly exports.
    Settings,
    /// Run the installation: across partners, or about its clients.
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

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The partner is another's or does not exist: the answer is the same.
    NotFound,
    /// The partner is the caller's, its roles do not reach.
    Forbidden,
}

/// Who is calling, as the authorizer found it.
#[derive(Clone, Debug)]
pub struct Caller {
    subject: String,
    name: String,
    partner: Option<PartnerId>,
    roles: Vec<Role>,
}

impl Caller {
    /// A caller with a verified token.
    pub fn new(subject: String, name: String, partner: Option<PartnerId>, roles: Vec<Role>) -> Self {
        Self { subject, name, partner, roles }
    }

    /// Lets an operation on a partner through.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a partner that is not the caller's (the operator's are all),
    /// [`Refusal::Forbidden`] where none of its roles may.
    pub fn may(&self, operation: Operation, partner: &PartnerId) -> Result<(), Refusal> {
        let own = self.partner.as_ref() == Some(partner);
        if !own && !self.roles.contains(&Role::Operator) {
            return Err(Refusal::NotFound);
        }
        self.allowed(operation)
    }

    /// Lets an operation on the caller's own partner through: which that is.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] where the token has no partner, or none of its roles may.
    pub fn may_at_home(&self, operation: Operation) -> Result<&PartnerId, Refusal> {
        self.allowed(operation)?;
        self.partner.as_ref().ok_or(Refusal::Forbidden)
    }

    /// Lets an operation of the operator through.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] to everybody else.
    pub fn may_operate(&self) -> Result<(), Refusal> {
        self.allowed(Operation::Operate)
    }

    fn allowed(&self, operation: Operation) -> Result<(), Refusal> {
        let allowed = self.roles.iter().any(|role| operation.is_open_to(*role));
        if allowed { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// The token's subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The name to show, or the subject where the token has none.
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
    fn each_role_may_exactly_what_the_contract_says() {
        use Operation::{Operate, Read, Record, Settings};
        let contoso = PartnerId::parse("contoso").unwrap();
        for (role, name) in NAMES {
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
            assert_eq!(may, expected, "{name}");
            assert_eq!(name.parse(), Ok(role));
        }
    }

    #[test]
    fn another_partner_does_not_exist_whatever_the_role() {
        let fabrikam = PartnerId::parse("fabrikam").unwrap();
        for (role, _) in NAMES.into_iter().filter(|(role, _)| *role != Role::Operator) {
            for operation in [Operation::Record, Operation::Read, Operation::Settings] {
                assert_eq!(caller("contoso", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
                assert_eq!(caller("", &[role]).may(operation, &fabrikam), Err(Refusal::NotFound));
            }
        }
        assert_eq!(caller("", &[Role::Operator]).may(Operation::Read, &fabrikam), Ok(()));
    }

    #[test]
    fn a_person_cannot_hold_a_machines_role() {
        assert_eq!(Role::of_person("operator"), None);
        assert_eq!(Role::of_person("recorder"), None);
        assert_eq!(Role::of_person("sales_agent"), Some(Role::SalesAgent));
        assert_eq!(Role::of_scope("daybook/operate"), Some(Role::Operator));
        assert_eq!(Role::of_scope("operate"), None);
    }
}
