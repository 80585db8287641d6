//! What the messages of both sides have in common.

/// Makes the enum of one side's messages from a table of variants, their bodies and their `type` on the wire.
macro_rules! messages {
    (
        $(#[$attribute:meta])*
        pub enum $side:ident {
            $($(#[doc = $doc:literal])* $variant:ident($body:ty) = $type:literal),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum $side { $($(#[doc = $doc])* $variant($body)),* }

        impl $side {
            /// The `type` of every message of this side.
            pub const TYPES: &'static [&'static str] = &[$($type),*];

            /// The `type` on the wire.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $type),* }
            }

            fn parse_body(kind: &str, text: &str) -> Option<Result<Self, $crate::Invalid>> {
                match kind {
                    $($type => Some($crate::client::read::<$body>(text).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// Reads a frame that begins with its type; `None` if it has to be read the long way.
            fn read_whole(text: &str) -> Option<$crate::whole::Whole<Self>> {
                match $crate::whole::leading_type(text)? {
                    $($type => {
                        let $crate::whole::Whole { id, timestamp, body } = $crate::whole::read::<$body>(text)?;
                        Some($crate::whole::Whole { id, timestamp, body: Self::$variant(body) })
                    })*
                    _ => None,
                }
            }

            /// The JSON Schema of each message's body, in the order of [`Self::TYPES`].
            #[cfg(feature = "schema")]
            #[must_use]
            pub fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<$crate::MessageSchema> {
                vec![$($crate::MessageSchema {
                    type_name: $type,
                    name: stringify!($variant),
                    doc: concat!($($doc),*).trim_ascii(),
                    body: generator.subschema_for::<$body>(),
                }),*]
            }
        }
    };
}

pub(crate) use messages;

/// What the generators know of a message.
#[cfg(feature = "schema")]
#[derive(Debug, Clone)]
pub struct MessageSchema {
    /// The `type` on the wire.
    pub type_name: &'static str,
    /// The name in Rust.
    pub name: &'static str,
    /// What it says, for people.
    pub doc: &'static str,
    /// The schema of its fields, without `type`, `id` and `timestamp`.
    pub body: schemars::Schema,
}
