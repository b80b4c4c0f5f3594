//! Every verdict, reason, basis, state and cause with its stable code and its meaning in one
//! line. Help, README and schemas read these tables; nothing else spells a code.

/// What is said of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// A rule explains it.
    Expected(Basis),
    /// No rule explains it.
    Unexpected(Reason),
    /// Link maintenance of this kind, which no port table speaks of.
    Background(&'static str),
    /// Touches nothing that the site asks about.
    OutOfScope,
}

impl Verdict {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expected(_) => "expected",
            Self::Unexpected(_) => "unexpected",
            Self::Background(_) => "background",
            Self::OutOfScope => "out-of-scope",
        }
    }

    /// Why it is unexpected, or which background it is.
    pub fn reason_code(self) -> Option<&'static str> {
        match self {
            Self::Unexpected(reason) => Some(reason.code()),
            Self::Background(kind) => Some(kind),
            Self::Expected(_) | Self::OutOfScope => None,
        }
    }

    /// Why it is expected.
    pub fn basis_code(self) -> Option<&'static str> {
        match self {
            Self::Expected(basis) => Some(basis.code()),
            Self::Unexpected(_) | Self::Background(_) | Self::OutOfScope => None,
        }
    }
}

/// Declares an enum whose variants carry a code and a meaning, and the list of all of them.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $meaning:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Spelling in reports.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Meaning in one line.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

coded! {
    /// Why a flow is expected.
    Basis {
        /// A port of the documents.
        FixedPort = "fixed-port", "a rule names the port";
        /// A custom port of the site.
        AlternatePort = "alternate-port", "the site gives a rule this port in place of the documented one";
        /// A TFTP request led to it.
        TftpTransfer = "tftp-transfer", "a TFTP request that a rule allows led to this transfer";
        /// ICMP echo.
        IcmpEcho = "icmp-echo", "a rule allows ICMP echo";
        /// Port read from an endpoint-mapper answer.
        RpcEndpoint = "rpc-endpoint", "the endpoint mapper of the server named the port";
        /// Port read from a DCOM string binding.
        RpcBinding = "rpc-binding", "a DCOM string binding named the port";
        /// A clear bind on it names an RPC interface.
        RpcInterface = "rpc-interface", "a clear bind on the port names an RPC interface";
        /// The same initiator reached port 135 of the same host before.
        RpcInferred = "rpc-inferred", "the same initiator reached port 135 of the same host before";
        /// Only the range fits.
        RpcRange = "rpc-range", "the port lies in the RPC dynamic range, nothing more is known";
    }
}

coded! {
    /// Why a flow is unexpected. The first that holds is given.
    Reason {
        /// An end has no role and is no external party.
        UnknownHost = "unknown-host", "an end has no role in the site file and is no external party";
        /// A learned RPC endpoint outside the configured range.
        RpcOutsideRange = "rpc-outside-range", "the RPC endpoint that the server named lies outside the configured range";
        /// In the dynamic range, below the minimum basis.
        RpcUnannounced = "rpc-unannounced", "in the RPC dynamic range, but not as well founded as the site asks";
        /// Looks like a TFTP transfer that nobody asked for.
        TftpUnsolicited = "tftp-unsolicited", "looks like a TFTP transfer, but no request explains it";
        /// Allowed in the other direction.
        Reversed = "reversed", "the same port is allowed in the other direction only";
        /// The roles have rules, none for this protocol and port.
        PortNotListed = "port-not-listed", "the two roles have rules, none for this protocol and port";
        /// The roles have no rule at all.
        NoRuleForRoles = "no-rule-for-roles", "the two roles have no rule at all";
    }
}

impl Reason {
    /// How much a finding of this reason matters: findings are sorted by it, highest first.
    pub fn weight(self) -> u32 {
        match self {
            Self::UnknownHost => 80,
            Self::NoRuleForRoles => 70,
            Self::Reversed => 60,
            Self::PortNotListed => 50,
            Self::RpcOutsideRange => 40,
            Self::TftpUnsolicited => 30,
            Self::RpcUnannounced => 20,
        }
    }
}

coded! {
    /// How a requirement stands.
    RequirementState {
        /// Seen and answered.
        Satisfied = "satisfied", "seen and answered";
        /// A documented fallback was seen instead.
        Degraded = "degraded", "a documented fallback was seen instead";
        /// Tried, never successful.
        Failed = "failed", "tried, never successful";
        /// Never tried.
        Missing = "missing", "never tried";
        /// An earlier step is missing or failed.
        NotReached = "not-reached", "not seen, and an earlier step is missing or failed";
        /// The vantage can't show it.
        NotObservable = "not-observable", "where the capture was taken, it can't be seen";
        /// Nobody holds one of the roles, or another documented way is taken.
        NotApplicable = "not-applicable", "nobody holds one of the roles, or another documented way is taken";
    }
}

impl RequirementState {
    /// Whether it counts as a finding.
    pub fn is_finding(self) -> bool {
        match self {
            Self::Failed | Self::Missing => true,
            Self::Satisfied
            | Self::Degraded
            | Self::NotReached
            | Self::NotObservable
            | Self::NotApplicable => false,
        }
    }
}

coded! {
    /// Why a rule can have no flows in this audit.
    Hindrance {
        /// Nobody holds one of its roles.
        RoleNotHeld = "role-not-held", "no address of the site holds one of its roles";
        /// Both roles are on one host.
        SameHost = "same-host", "both roles are on one host, so nothing crosses the network";
        /// The vantage hides it.
        Vantage = "vantage", "both sides lie on the same side of the capture point";
        /// The scope leaves it out.
        OutOfScope = "out-of-scope", "the scope of the audit leaves its roles out";
        /// It opens no port here.
        Closed = "closed", "it opens no port at this site";
    }
}

coded! {
    /// Why a requirement or an expected flow failed.
    RequirementCause {
        /// TCP reset.
        Refused = "refused", "answered by a TCP reset";
        /// Silence.
        Unanswered = "unanswered", "nothing came back";
        /// ICMP error.
        Unreachable = "unreachable", "an ICMP error came in place of an answer";
        /// TFTP ERROR.
        TftpError = "tftp-error", "the TFTP server or client sent an error";
        /// The transfer went silent.
        TftpStalled = "tftp-stalled", "the TFTP transfer began and went silent";
        /// The request was never answered.
        TftpUnanswered = "tftp-unanswered", "the TFTP request was never answered";
        /// DHCPNAK.
        DhcpRefused = "dhcp-refused", "the DHCP server refused the address";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let lists: [Vec<&str>; 4] = [
            Basis::ALL.iter().map(|value| value.code()).collect(),
            Reason::ALL.iter().map(|value| value.code()).collect(),
            RequirementState::ALL
                .iter()
                .map(|value| value.code())
                .collect(),
            RequirementCause::ALL
                .iter()
                .map(|value| value.code())
                .collect(),
        ];
        for codes in lists {
            assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
            for code in codes {
                assert!(
                    code.bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                );
            }
        }
    }

    #[test]
    fn weights_tell_reasons_apart() {
        let weights: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.weight()).collect();
        assert_eq!(weights.len(), Reason::ALL.len());
    }
}
