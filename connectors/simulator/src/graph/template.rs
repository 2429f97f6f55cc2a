//! The `template` object of a WhatsApp send: its members and their rules.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::errors::{bad_value, invalid, missing};
use crate::call::Refusal;
use crate::config::{SimulatorConfig, TemplateShape};
use crate::scalar::{Scalar, Text};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    language: Option<Language<'a>>,
    #[serde(borrow, default)]
    components: Option<Vec<Component<'a>>>,
    #[serde(rename = "namespace", default)]
    _namespace: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Language<'a> {
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component<'a> {
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    sub_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    index: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    parameters: Option<Vec<Parameter<'a>>>,
    #[serde(borrow, default)]
    cards: Option<Vec<Card<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Card<'a> {
    #[serde(default)]
    card_index: Option<u32>,
    #[serde(borrow, default)]
    components: Option<Vec<Component<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Parameter<'a> {
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    parameter_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    payload: Option<Text<'a>>,
    #[serde(borrow, default)]
    coupon_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    image: Option<Media<'a>>,
    #[serde(borrow, default)]
    video: Option<Media<'a>>,
    #[serde(borrow, default)]
    document: Option<Media<'a>>,
    #[serde(default)]
    location: Option<IgnoredAny>,
    #[serde(default)]
    product: Option<IgnoredAny>,
    #[serde(default)]
    currency: Option<IgnoredAny>,
    #[serde(default)]
    date_time: Option<IgnoredAny>,
    #[serde(default)]
    action: Option<IgnoredAny>,
    #[serde(default)]
    limited_time_offer: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Media<'a> {
    #[serde(borrow, default)]
    id: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    link: Option<Text<'a>>,
}

/// Checks name, language and components, then the approved shape if templates are configured.
pub(super) fn validate(config: &SimulatorConfig, template: &Template<'_>) -> Result<(), Refusal> {
    let name = template
        .name
        .as_deref()
        .filter(|n| !n.is_empty())
        .ok_or_else(|| missing("template.name is missing"))?;
    let language = template
        .language
        .as_ref()
        .and_then(|l| l.code.as_deref())
        .filter(|c| !c.is_empty())
        .ok_or_else(|| missing("template.language.code is missing"))?;
    let well_named = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !well_named || name.len() > 512 || !is_language(language) {
        return Err(unknown_template(name, language));
    }
    let components = template.components.as_deref().unwrap_or_default();
    components.iter().try_for_each(check_component)?;
    if config.templates.is_empty() {
        return check_not_mixed(body_parameters(components));
    }
    let shape = config
        .templates
        .iter()
        .find(|shape| shape.name == name && shape.language == language)
        .ok_or_else(|| unknown_template(name, language))?;
    check_shape(shape, body_parameters(components))
}

/// `en`, `en_US`, `zh_HK`, `fil`.
fn is_language(code: &str) -> bool {
    let (language, region) = code.split_once('_').unwrap_or((code, "XX"));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && region.len() == 2
        && region.bytes().all(|b| b.is_ascii_uppercase())
}

fn unknown_template(name: &str, language: &str) -> Refusal {
    let details = format!("template name ({name}) does not exist in {language}");
    Refusal::new(404, 132_001, "(#132001) Template name does not exist in the translation", details)
}

fn check_component(component: &Component<'_>) -> Result<(), Refusal> {
    let kind = component.r#type.as_deref().ok_or_else(|| missing("a component's type is missing"))?;
    let parameters = component.parameters.as_deref().unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "header" if parameters.len() > 1 => return Err(mismatch("a header takes one parameter")),
        "header" | "body" | "limited_time_offer" => {}
        "button" => check_button(component)?,
        "carousel" => {
            let cards = component.cards.as_deref().unwrap_or_default();
            if !(2..=10).contains(&cards.len()) {
                return Err(mismatch("a carousel has 2 to 10 cards"));
            }
            for card in cards {
                if card.card_index.is_none() {
                    return Err(missing("card_index is missing"));
                }
                card.components.as_deref().unwrap_or_default().iter().try_for_each(check_component)?;
            }
        }
        other => return Err(invalid(format!("{other:?} is not a type of component"))),
    }
    parameters.iter().try_for_each(check_parameter)
}

fn check_button(component: &Component<'_>) -> Result<(), Refusal> {
    let sub_type = component.sub_type.as_deref().ok_or_else(|| missing("a button's sub_type is missing"))?;
    let known =
        ["quick_reply", "url", "copy_code", "catalog", "mpm", "spm", "flow", "voice_call", "order_details"];
    if !known.contains(&sub_type.to_ascii_lowercase().as_str()) {
        return Err(invalid(format!("{sub_type:?} is not a sub_type of a button")));
    }
    let index = component
        .index
        .as_ref()
        .and_then(Scalar::text)
        .ok_or_else(|| missing("a button's index is missing"))?;
    match index.parse::<u8>() {
        Ok(0..=9) => Ok(()),
        _ => Err(bad_value(format!("a button's index is 0 to 9, not {index:?}"))),
    }
}

fn check_parameter(parameter: &Parameter<'_>) -> Result<(), Refusal> {
    let kind = parameter.r#type.as_deref().ok_or_else(|| missing("a parameter's type is missing"))?;
    let filled = |text: &Option<Text<'_>>| text.as_deref().is_some_and(|t| !t.is_empty());
    let usable = |media: &Option<Media<'_>>| {
        media.as_ref().is_some_and(|m| m.id.as_ref().and_then(Scalar::text).is_some() || filled(&m.link))
    };
    let present = match kind {
        "text" => filled(&parameter.text),
        "payload" => filled(&parameter.payload),
        "coupon_code" => filled(&parameter.coupon_code),
        "image" => usable(&parameter.image),
        "video" => usable(&parameter.video),
        "document" => usable(&parameter.document),
        "location" => parameter.location.is_some(),
        "product" => parameter.product.is_some(),
        "currency" => parameter.currency.is_some(),
        "date_time" => parameter.date_time.is_some(),
        "action" => parameter.action.is_some(),
        "limited_time_offer" => parameter.limited_time_offer.is_some(),
        other => return Err(invalid(format!("{other:?} is not a type of parameter"))),
    };
    if present { Ok(()) } else { Err(missing(format!("Parameter of type {kind} is missing {kind} value"))) }
}

fn body_parameters<'t, 'a>(components: &'t [Component<'a>]) -> &'t [Parameter<'a>] {
    components
        .iter()
        .find(|c| c.r#type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("body")))
        .and_then(|c| c.parameters.as_deref())
        .unwrap_or_default()
}

fn check_not_mixed(body: &[Parameter<'_>]) -> Result<(), Refusal> {
    let named = body.iter().filter(|p| p.parameter_name.is_some()).count();
    if named == 0 || named == body.len() {
        Ok(())
    } else {
        Err(mismatch("named and positional parameters are mixed"))
    }
}

fn check_shape(shape: &TemplateShape, body: &[Parameter<'_>]) -> Result<(), Refusal> {
    let expected = if shape.named.is_empty() { shape.body_parameters } else { shape.named.len() };
    if body.len() != expected {
        let details = format!(
            "body: number of localizable_params ({}) does not match the expected number of params ({expected})",
            body.len()
        );
        let message = "(#132000) Number of parameters does not match the expected number of params";
        return Err(Refusal::new(400, 132_000, message, details));
    }
    let name_of = |p: &Parameter<'_>| p.parameter_name.as_deref().map(str::to_owned);
    let fits = if shape.named.is_empty() {
        body.iter().all(|p| p.parameter_name.is_none())
    } else {
        shape.named.iter().all(|name| body.iter().any(|p| name_of(p).as_ref() == Some(name)))
    };
    if fits { Ok(()) } else { Err(mismatch("the parameters' names are not those of the template")) }
}

fn mismatch(details: &'static str) -> Refusal {
    Refusal::new(
        400,
        132_012,
        "(#132012) Parameter format does not match format in the created template",
        details,
    )
}
