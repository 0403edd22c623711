//! What the document of the API says of errors and of the small things that every route shares. The layers
//! above describe their own routes with it; `app` puts the parts together.

pub mod codes;
mod problem;

pub use problem::{ProblemSchema, responses};

pub use crate::requests::shapes;

/// Makes a type that stands for the refusals of a route in `#[utoipa::path(responses(…))]`, from groups of
/// [`codes`].
macro_rules! refusals {
    ($name:ident: $($codes:expr),+ $(,)?) => {
        #[allow(missing_debug_implementations, reason = "it is never made: its type alone counts")]
        pub(super) struct $name;

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::response::Response>,
            > {
                $crate::http::openapi::responses(&[$($codes),+])
            }
        }
    };
}

/// Makes types that stand for parameters in `#[utoipa::path(params(…))]`: where each comes, its name, whether it
/// must, its shape and what it says.
macro_rules! parameters {
    ($($name:ident { $($place:ident $spelt:literal $required:ident $shape:expr, $says:expr;)+ })+) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $name;

            impl ::utoipa::IntoParams for $name {
                fn into_params(
                    _: impl Fn() -> Option<::utoipa::openapi::path::ParameterIn>,
                ) -> Vec<::utoipa::openapi::path::Parameter> {
                    use ::utoipa::openapi::Required;
                    use ::utoipa::openapi::path::{ParameterBuilder, ParameterIn};
                    vec![$(
                        ParameterBuilder::new()
                            .name($spelt)
                            .parameter_in(ParameterIn::$place)
                            .required(Required::$required)
                            .schema(Some($shape))
                            .description(Some($says))
                            .build(),
                    )+]
                }
            }
        )+
    };
}

pub(crate) use {parameters, refusals};
