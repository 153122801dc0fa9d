//! Lists come in pages, in an order that the caller chooses.

/// One key to sort by, and the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The column that holds the key.
    pub column: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// A page of a list: where it starts, how long it may be, and in which order.
pub trait Paged {
    /// How many records to pass over.
    fn offset(&self) -> u32;
    /// How many records to answer at the most: what was asked for, within [`MOST_OF_A_PAGE`].
    fn limit(&self) -> u32;
    /// The keys to sort by, the first the most significant.
    fn sort_keys(&self) -> Vec<SortKey>;
}

/// The `offset` of a page when none is given.
pub fn default_offset() -> u32 {
    0
}

/// The most records that a page can have, whatever was asked for.
pub const MOST_OF_A_PAGE: u32 = 1000;

/// The `limit` of a page when none is given.
pub fn default_limit() -> u32 {
    20
}

/// Declares the words of a `sorts` parameter with the columns behind them.
///
/// A column is named here because the words and the columns would otherwise be listed twice; the
/// store alone puts it into SQL, and only from this list.
macro_rules! sorts {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $column:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[allow(missing_docs, reason = "the words are the API's")]
        pub enum $name {$(
            #[serde(rename = $word)]
            $variant,
        )*}

        impl $name {
            /// Every word of the choice.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as the API spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The key behind the word.
            pub fn key(self) -> $crate::wire::SortKey {
                match self {$(
                    Self::$variant => $crate::wire::SortKey {
                        column: $column,
                        descending: $word.ends_with(":desc"),
                    },
                )*}
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": [$($word),*]})
            }
        }
    )*};
}
pub(crate) use sorts;

/// Makes a query type, which has `offset`, `limit` and `sorts`, a page.
macro_rules! paged {
    ($($name:ident)*) => {$(
        impl $crate::wire::Paged for $name {
            fn offset(&self) -> u32 {
                self.offset
            }
            fn limit(&self) -> u32 {
                self.limit.min($crate::wire::MOST_OF_A_PAGE)
            }
            fn sort_keys(&self) -> Vec<$crate::wire::SortKey> {
                self.sorts.iter().map(|sort| sort.key()).collect()
            }
        }
    )*};
}
pub(crate) use paged;
