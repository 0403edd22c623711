//! Parameters that several routes have.

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::values;
use crate::http::openapi::shapes::{Shape, one_of, uuid};

/// Makes types that stand for a parameter each in attributes.
macro_rules! parameters {
    ($($name:ident: $place:ident $spelt:literal $required:ident $shape:expr, $description:expr;)+) => {
        $(
            #[derive(Debug)]
            pub(in crate::api) struct $name;

            impl IntoParams for $name {
                fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                    let parameter = ParameterBuilder::new()
                        .name($spelt)
                        .parameter_in(ParameterIn::$place)
                        .required(Required::$required)
                        .schema(Some(Shape::from($shape)))
                        .description(Some($description));
                    vec![parameter.build()]
                }
            }
        )+
    };
}

parameters! {
    BookingId: Path "id" True uuid(), "The booking's id.";
    NotificationId: Path "id" True uuid(), "The notification's id.";
    AssetName: Path "file" True asset_name(), "The file's name.";
    IfNoneMatch: Header "If-None-Match" False values::entity_tags(), "The ETag of an earlier answer.";
    IdempotencyKey: Header "Idempotency-Key" False values::idempotency_key(),
        "A request with the same key and body is done once, however often it comes: repeats get the first answer. \
         Keys are per user and are remembered for a week unless configured otherwise.";
}

fn asset_name() -> Shape {
    one_of(&["start.js", "swagger-ui-bundle.js", "swagger-ui.css"])
}
