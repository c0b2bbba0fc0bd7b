//! One call, as the description tells it.

use portolan_wire::error::ErrorBody;
use portolan_wire::query::Parameter;
use utoipa::ToSchema;
use utoipa::openapi::{HttpMethod, RefOr, Schema};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// The roles reader and admin.
    Reader,
    /// The roles agent and admin.
    Agent,
    /// The roles enrol and admin.
    Enrol,
    /// The role admin.
    Admin,
    /// Any credential.
    Any,
    /// Everybody.
    Open,
}

/// The body of an answer that went well.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// JSON of this schema, by its name among the components.
    Json(String),
    /// Bytes of one of these content types.
    Bytes(&'static [&'static str]),
}

/// A call.
pub(super) struct Call {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    /// The name that generated clients give it.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) tag: &'static str,
    pub(super) access: Access,
    pub(super) query: Vec<Parameter>,
    /// A header that must be given beside the credential; it holds a token.
    pub(super) token_header: Option<&'static str>,
    /// Those that must be given.
    pub(super) required: &'static [&'static str],
    /// The schema of the body that is sent.
    pub(super) body: Option<String>,
    /// Whether unknown fields of that body are refused.
    pub(super) strict: bool,
    pub(super) status: u16,
    pub(super) answer: Body,
    /// The schema of its errors.
    pub(super) error: String,
    /// Whether the answer says up to when it is complete.
    pub(super) dated: bool,
    /// Whether it also says how fresh its counts are.
    pub(super) counted: bool,
    /// The schemas that the call needs.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Call {
    pub(super) fn new(
        method: HttpMethod,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let mut call = Self {
            method,
            path,
            id,
            summary,
            tag: "",
            access: Access::Reader,
            query: Vec::new(),
            token_header: None,
            required: &[],
            body: None,
            strict: false,
            status: 200,
            answer: Body::Empty,
            error: String::new(),
            dated: false,
            counted: false,
            schemas: Vec::new(),
        };
        call.error = call.schema::<ErrorBody>();
        call
    }

    /// Its errors have another form than all others.
    pub(super) fn fails_as<T: ToSchema>(mut self) -> Self {
        self.error = self.schema::<T>();
        self
    }

    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Get, path, id, summary)
    }

    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Post, path, id, summary)
    }

    pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            status: 204,
            ..Self::new(HttpMethod::Delete, path, id, summary)
        }
    }

    pub(super) fn of(self, access: Access) -> Self {
        Self { access, ..self }
    }

    pub(super) fn query(self, query: impl IntoIterator<Item = Parameter>) -> Self {
        Self {
            query: query.into_iter().collect(),
            ..self
        }
    }

    pub(super) fn token_header(self, name: &'static str) -> Self {
        Self {
            token_header: Some(name),
            ..self
        }
    }

    pub(super) fn required(self, required: &'static [&'static str]) -> Self {
        Self { required, ..self }
    }

    /// The body that is sent.
    pub(super) fn sends<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.schema::<T>());
        self
    }

    /// The same, and unknown fields are refused.
    pub(super) fn sends_strictly<T: ToSchema>(self) -> Self {
        Self {
            strict: true,
            ..self.sends::<T>()
        }
    }

    /// The body of the answer.
    pub(super) fn answers<T: ToSchema>(mut self) -> Self {
        self.answer = Body::Json(self.schema::<T>());
        self
    }

    pub(super) fn answers_bytes(self, kinds: &'static [&'static str]) -> Self {
        Self {
            answer: Body::Bytes(kinds),
            ..self
        }
    }

    pub(super) fn created(self) -> Self {
        Self {
            status: 201,
            ..self
        }
    }

    pub(super) fn dated(self) -> Self {
        Self {
            dated: true,
            ..self
        }
    }

    pub(super) fn counted(self) -> Self {
        Self {
            counted: true,
            ..self.dated()
        }
    }

    fn schema<T: ToSchema>(&mut self) -> String {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        name
    }
}
