//! Every error code of the program: one closed list, so that a new code does not compile until
//! somebody has said its status, its published text and whether trying again can help.

use serde::{Deserialize, Serialize};

/// A code as clients see it. Sources: contract sections 3.2 and 3.3 for HSS and APIGW codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is faulty.
    InvalidParameter,
    /// The body of an HSS call is not JSON.
    RequestNotParsed,
    /// A host or container that an HSS call is to change is not there.
    AssetUnknown,
    /// The enterprise project is not granted.
    InsufficientPermissions,
    /// No such route, or not with that method.
    ApiNotFound,
    /// The request is malformed.
    RequestError,
    /// The request's target is too long.
    TargetTooLong,
    /// The request's head is too long.
    HeadTooLong,
    /// The credential is missing, unknown or wrong.
    Unauthenticated,
    /// The credential's role does not allow the call.
    RoleNotAllowed,
    /// The credential is not of that project, or there is none such.
    AccessDenied,
    /// The token has expired.
    TokenExpired,
    /// Too many requests of that kind.
    Throttled,
    /// What validates the credential cannot be asked.
    IamUnavailable,
    /// An error of our own.
    Internal,
    /// The body is not JSON.
    NotJson,
    /// The list of reports or heartbeats is missing, empty or too long.
    BatchSize,
    /// The content type or encoding is unknown.
    UnsupportedEncoding,
    /// The body is over a cap.
    BodyTooLarge,
    /// The queue of the committer is full.
    QueueFull,
    /// The server is starting or draining.
    NotServing,
    /// The store failed.
    StoreFailed,
    /// A field of one report is faulty.
    FieldInvalid,
    /// The enterprise project of one report is not granted.
    EnterpriseProjectNotGranted,
    /// One report has too many open ports.
    TooManyPorts,
    /// Two agents speak for one host.
    IdentityConflict,
    /// There is no such host.
    HostUnknown,
    /// There is no such credential.
    CredentialUnknown,
    /// The credential is not kept by the server, which therefore cannot revoke it.
    CredentialNotRevocable,
    /// One more credential of that kind or name cannot be made.
    CredentialNotMade,
    /// The credential is one host's, and that host is another.
    HostNotOfCredential,
    /// The host has a credential already, which only itself or an administrator can replace.
    HostEnrolled,
    /// A moment is outside the history that is kept.
    MomentNotKept,
    /// A cursor or the id of a change is of another store, or no longer kept.
    ChangeNotKept,
}

impl ErrorCode {
    /// The code as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameter => "HSS.0001",
            Self::RequestNotParsed => "HSS.0002",
            Self::AssetUnknown => "HSS.0011",
            Self::InsufficientPermissions => "HSS.0013",
            Self::ApiNotFound => "APIGW.0101",
            Self::RequestError | Self::TargetTooLong | Self::HeadTooLong => "APIGW.0201",
            Self::Unauthenticated => "APIGW.0301",
            Self::RoleNotAllowed => "APIGW.0302",
            Self::AccessDenied => "APIGW.0306",
            Self::TokenExpired => "APIGW.0307",
            Self::Throttled => "APIGW.0308",
            Self::Internal => "APIGW.0601",
            Self::IamUnavailable => "APIGW.0613",
            Self::NotJson => "PORTOLAN.0001",
            Self::BatchSize => "PORTOLAN.0002",
            Self::UnsupportedEncoding => "PORTOLAN.0003",
            Self::BodyTooLarge => "PORTOLAN.0004",
            Self::QueueFull => "PORTOLAN.0005",
            Self::NotServing => "PORTOLAN.0006",
            Self::StoreFailed => "PORTOLAN.0007",
            Self::FieldInvalid => "PORTOLAN.0010",
            Self::EnterpriseProjectNotGranted => "PORTOLAN.0011",
            Self::TooManyPorts => "PORTOLAN.0012",
            Self::IdentityConflict => "PORTOLAN.0013",
            Self::HostUnknown => "PORTOLAN.0014",
            Self::CredentialUnknown => "PORTOLAN.0015",
            Self::CredentialNotRevocable => "PORTOLAN.0016",
            Self::CredentialNotMade => "PORTOLAN.0017",
            Self::HostNotOfCredential => "PORTOLAN.0018",
            Self::HostEnrolled => "PORTOLAN.0019",
            Self::MomentNotKept => "PORTOLAN.0020",
            Self::ChangeNotKept => "PORTOLAN.0021",
        }
    }

    /// The HTTP status of an answer with this code. Of a single report the codes PORTOLAN.0010 to
    /// .0013 and .0018 stand inside a 200; .0010 and .0011 are also told of a credential to be made, as a
    /// 400, and .0018 of one host's certificate, as a 403.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidParameter
            | Self::RequestNotParsed
            | Self::AssetUnknown
            | Self::InsufficientPermissions
            | Self::RequestError
            | Self::NotJson
            | Self::BatchSize
            | Self::FieldInvalid
            | Self::EnterpriseProjectNotGranted
            | Self::TooManyPorts
            | Self::IdentityConflict
            | Self::MomentNotKept
            | Self::ChangeNotKept => 400,
            Self::Unauthenticated | Self::TokenExpired => 401,
            Self::RoleNotAllowed | Self::AccessDenied | Self::HostNotOfCredential => 403,
            Self::ApiNotFound | Self::HostUnknown | Self::CredentialUnknown => 404,
            Self::CredentialNotRevocable | Self::CredentialNotMade | Self::HostEnrolled => 409,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedEncoding => 415,
            Self::Throttled | Self::QueueFull => 429,
            Self::HeadTooLong => 431,
            Self::Internal => 500,
            Self::IamUnavailable | Self::NotServing | Self::StoreFailed => 503,
        }
    }

    /// The published text that every `error_msg` of this code begins with.
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidParameter => "Invalid parameter.",
            Self::RequestNotParsed => "Failed to parse the request.",
            Self::AssetUnknown => "Requested resource not found.",
            Self::InsufficientPermissions => "Insufficient permissions.",
            Self::ApiNotFound => {
                "The API does not exist or has not been published in the environment."
            }
            Self::RequestError => "API request error.",
            Self::TargetTooLong => "Request URI too large.",
            Self::HeadTooLong => "Request header too large.",
            Self::Unauthenticated => "Incorrect IAM authentication information:",
            Self::RoleNotAllowed => "The IAM user is not authorized to access the API.",
            Self::AccessDenied => "API access denied.",
            Self::TokenExpired => "The token must be updated.",
            Self::Throttled => "The throttling threshold has been reached.",
            Self::IamUnavailable => "The IAM service is currently unavailable.",
            Self::Internal => "Internal server error.",
            Self::NotJson => "The body is not JSON.",
            Self::BatchSize => "The number of items is not allowed.",
            Self::UnsupportedEncoding => "Unsupported content type or encoding.",
            Self::BodyTooLarge => "The body is too large.",
            Self::QueueFull => "Too many reports are waiting.",
            Self::NotServing => "The server is not serving.",
            Self::StoreFailed => "The store failed.",
            Self::FieldInvalid => "A field is invalid.",
            Self::EnterpriseProjectNotGranted => "The enterprise project is not granted.",
            Self::TooManyPorts => "Too many open ports.",
            Self::IdentityConflict => "Two agents speak for one host.",
            Self::HostUnknown => "There is no such host.",
            Self::CredentialUnknown => "There is no such credential.",
            Self::CredentialNotRevocable => "The credential cannot be revoked here.",
            Self::CredentialNotMade => "The credential cannot be made.",
            Self::HostNotOfCredential => "The credential is not for that host.",
            Self::HostEnrolled => "The host is enrolled already.",
            Self::MomentNotKept => "The moment is outside the history that is kept.",
            Self::ChangeNotKept => "The position is not in the history that is kept.",
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Throttled
            | Self::QueueFull
            | Self::NotServing
            | Self::StoreFailed
            | Self::IamUnavailable
            | Self::Internal => true,
            Self::InvalidParameter
            | Self::RequestNotParsed
            | Self::AssetUnknown
            | Self::InsufficientPermissions
            | Self::ApiNotFound
            | Self::RequestError
            | Self::TargetTooLong
            | Self::HeadTooLong
            | Self::Unauthenticated
            | Self::RoleNotAllowed
            | Self::AccessDenied
            | Self::TokenExpired
            | Self::NotJson
            | Self::BatchSize
            | Self::UnsupportedEncoding
            | Self::BodyTooLarge
            | Self::FieldInvalid
            | Self::EnterpriseProjectNotGranted
            | Self::TooManyPorts
            | Self::IdentityConflict
            | Self::HostUnknown
            | Self::CredentialUnknown
            | Self::CredentialNotRevocable
            | Self::CredentialNotMade
            | Self::HostNotOfCredential
            | Self::HostEnrolled
            | Self::MomentNotKept
            | Self::ChangeNotKept => false,
        }
    }
}

/// The body of every error: contract section 3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The code, as text: a client may be older than the server.
    pub error_code: String,
    /// The published text, what was wrong, and what is allowed.
    pub error_msg: String,
    /// The id of the request, as in the header `X-Request-Id`.
    pub request_id: String,
}
