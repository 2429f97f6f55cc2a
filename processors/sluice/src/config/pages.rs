//! What the providers need: the configuration of each page, from its own settings and its channel's.

use super::model::{CHANNELS, ChannelConfig, Config, PageSettings};
use sluice_core::launch::nearest;
use sluice_providers::{PageConfig, PagesConfig, Secret};
use sluice_schemas::{CampaignLaunch, Channel};
use sluice_simulator::SimulatorConfig;

/// The token with which the simulator is content, used where none is configured and `--provider-url` is given.
pub const SIMULATOR_TOKEN: &str = "simulator";

impl Config {
    /// Every page of every channel; `*` stands for those that are not named.
    pub fn provider_pages(&self) -> PagesConfig {
        let mut pages = PagesConfig::default();
        for channel in CHANNELS {
            let Some(shared) = self.channels.of(channel) else { continue };
            pages.insert(channel, "*", page_config(shared, &PageSettings::default()));
            let own = self.pages.iter().filter(|(_, page)| page.channel.is_none_or(|its| its == channel));
            own.for_each(|(id, page)| pages.insert(channel, id, page_config(shared, page)));
        }
        pages
    }

    /// Sends a channel's calls to `url`, whatever is configured, and takes the simulator's webhooks where no
    /// secret is configured. Gives whether the simulator's token stands in
    /// for a missing one.
    pub fn redirect(&mut self, channel: Channel, url: &str) -> bool {
        for page in self.pages.values_mut().filter(|page| page.channel.is_none_or(|its| its == channel)) {
            page.url = None;
        }
        let Some(shared) = self.channels.of_mut(channel) else { return false };
        shared.url = Some(url.to_owned());
        // Its webhooks are signed with secrets of its own.
        let simulator = SimulatorConfig::default();
        for (secret, its) in [
            (&mut shared.app_secret, simulator.app_secret),
            (&mut shared.verify_token, simulator.verify_token),
        ] {
            if secret.is_empty() {
                *secret = Secret::from(its);
            }
        }
        let stands_in = channel != Channel::Http && shared.token.is_empty();
        if stands_in {
            shared.token = Secret::from(SIMULATOR_TOKEN);
        }
        stands_in
    }
}

fn page_config(shared: &ChannelConfig, own: &PageSettings) -> PageConfig {
    let defaults = PageConfig::default();
    let mut headers = shared.headers.clone();
    headers.extend(own.headers.clone());
    PageConfig {
        url: own.url.clone().or_else(|| shared.url.clone()),
        version: own.version.clone().or_else(|| shared.version.clone()).unwrap_or(defaults.version),
        token: if own.token.is_empty() { shared.token.clone() } else { own.token.clone() },
        headers,
        timeout_ms: own.timeout_ms.or(shared.timeout_ms).unwrap_or(defaults.timeout_ms),
        rate: own.rate.or(shared.rate),
        daily: own.daily.or(shared.daily),
    }
}

/// Warnings of pages of a launch that the configuration does not name, where it names others for the channel: a mistyped
/// page would be called with the token of the channel.
///
/// A page without a channel counts for all of them, and is most likely meant for one. That this is the launch's shows
/// where the launch names it, or a page that is nearly the same, or where no other channel is set up; otherwise it says
/// nothing about the launch's pages.
pub fn unnamed(config: &Config, launch: &CampaignLaunch) -> Vec<String> {
    let is_of_channel = |page: &PageSettings| page.channel.is_none_or(|its| its == launch.channel);
    let is_set_up = |channel: Channel| {
        let shared = config.channels.of(channel);
        shared.is_some_and(|shared| shared.url.is_some() || !shared.token.is_empty())
    };
    let is_alone = !CHANNELS.into_iter().any(|other| other != launch.channel && is_set_up(other));
    let is_meant = |(id, page): (&String, &PageSettings)| match page.channel {
        Some(channel) => channel == launch.channel,
        None => is_alone || launch.pages.contains(id),
    };
    let names_pages = config.pages.iter().any(is_meant);
    let named: Vec<&str> =
        config.pages.iter().filter(|(_, page)| is_of_channel(page)).map(|(id, _)| id.as_str()).collect();
    let shared = match launch.channel {
        Channel::Http => "URL and headers",
        _ => "token",
    };
    let unnamed = launch.pages.iter().filter(|page| !named.contains(&page.as_str()));
    let warning = |page: &String| {
        let near = nearest(page, named.iter().copied());
        let is_told = names_pages || near.is_some();
        let near = near.map_or_else(String::new, |near| format!("; perhaps {near} is meant"));
        is_told.then(|| {
            let channel = launch.channel;
            format!("page {page} is not configured: its calls use the {shared} of channel {channel}{near}")
        })
    };
    unnamed.filter_map(warning).collect()
}

/// What a person sets so that the pages of a launch can be called.
pub fn how_to_configure(launch: &CampaignLaunch) -> String {
    let channel = launch.channel.as_str().to_uppercase();
    match launch.channel {
        Channel::Http => {
            "set SLUICE_HTTP_URL or channels.http.url, or try it with --provider-url URL".to_owned()
        }
        _ => format!(
            "set SLUICE_{channel}_TOKEN or channels.{}.token in sluice.toml, or try it against `sluice simulator` with --provider-url http://127.0.0.1:7401",
            launch.channel
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_inherits_from_its_channel() {
        let mut config = Config::default();
        config.channels.whatsapp.token = Secret::from("shared");
        let own = PageSettings { rate: "5/s".parse().ok(), ..PageSettings::default() };
        config.pages.insert("1".to_owned(), own);
        let pages = config.provider_pages();
        let page = pages.page(Channel::Whatsapp, "1").unwrap();
        assert_eq!((page.token.expose(), page.rate), ("shared", "5/s".parse().ok()));
        assert_eq!(pages.page(Channel::Whatsapp, "2").unwrap().rate, "80/s".parse().ok());
        assert_eq!(pages.page(Channel::Http, "2").unwrap().rate, None);
    }

    #[test]
    fn b3_no_channel_has_a_limit_of_the_day_by_itself() {
        let pages = Config::default().provider_pages();
        for channel in [Channel::Whatsapp, Channel::Messenger, Channel::Instagram, Channel::Http] {
            assert_eq!(
                pages.page(channel, "1").unwrap().daily,
                None,
                "{channel}: docs/configuration.md says why"
            );
        }
    }

    #[test]
    fn b3_the_limit_of_the_day_of_a_page_wins_over_its_channels() {
        let mut config = Config::default();
        assert_eq!(config.provider_pages().page(Channel::Messenger, "1").unwrap().daily, None);
        config.channels.messenger.daily = "5000/day".parse().ok();
        let own = PageSettings { daily: "1,000/day".parse().ok(), ..PageSettings::default() };
        config.pages.insert("1".to_owned(), own);
        let pages = config.provider_pages();
        let daily = |page| pages.page(Channel::Messenger, page).unwrap().daily.unwrap().to_string();
        assert_eq!((daily("1"), daily("2")), ("1000/day".to_owned(), "5000/day".to_owned()));
    }

    #[test]
    fn a_page_that_is_not_named_among_others_of_its_channel_is_warned_of() {
        let launch = r#"{"campaign":"c","channel":"whatsapp","pages":["106540352242922","7"],"audience":{"path":"a.csv"},
                         "message":{"template":{"name":"t","language":"en"}}}"#;
        let launch = sluice_core::launch::parse_json(launch).unwrap();
        let mut config = Config::default();
        assert!(unnamed(&config, &launch).is_empty(), "none is named: all use the channel's");
        let of = |channel| PageSettings { channel: Some(channel), ..PageSettings::default() };
        config.pages.insert("106540352242929".to_owned(), of(Channel::Messenger));
        assert!(unnamed(&config, &launch).is_empty(), "those that are named have another channel");
        config.pages.insert("106540352242921".to_owned(), of(Channel::Whatsapp));
        config.pages.insert("7".to_owned(), PageSettings::default());
        let expected = "page 106540352242922 is not configured: its calls use the token of channel whatsapp; perhaps 106540352242921 is meant";
        assert_eq!(unnamed(&config, &launch), [expected]);
    }

    #[test]
    fn a_page_without_a_channel_makes_nobody_warn_of_the_pages_of_another_one() {
        let launch = r#"{"campaign":"c","channel":"whatsapp","pages":["106540352242922"],"audience":{"path":"a.csv"},
                         "message":{"template":{"name":"t","language":"en"}}}"#;
        let launch = sluice_core::launch::parse_json(launch).unwrap();
        let mut config = Config::default();
        config.pages.insert("shop".to_owned(), PageSettings::default());
        assert_eq!(unnamed(&config, &launch).len(), 1, "there is no other channel that shop could be of");
        config.channels.http.url = Some("https://shop.example".to_owned());
        assert!(
            unnamed(&config, &launch).is_empty(),
            "no page of WhatsApp is configured: all use the channel's"
        );
        let both =
            CampaignLaunch { pages: vec!["shop".to_owned(), "106540352242922".to_owned()], ..launch.clone() };
        assert_eq!(unnamed(&config, &both).len(), 1, "shop is one of this channel");
        config.pages.insert("106540352242921".to_owned(), PageSettings::default());
        assert!(unnamed(&config, &launch)[0].ends_with("perhaps 106540352242921 is meant"));
    }

    #[test]
    fn redirected_calls_go_nowhere_else_and_need_no_token() {
        let mut config = Config::default();
        let own = PageSettings { url: Some("https://real".to_owned()), ..PageSettings::default() };
        config.pages.insert("1".to_owned(), own);
        assert!(config.redirect(Channel::Whatsapp, "http://sim"));
        let pages = config.provider_pages();
        let page = pages.page(Channel::Whatsapp, "1").unwrap();
        assert_eq!((page.url.as_deref(), page.token.expose()), (Some("http://sim"), SIMULATOR_TOKEN));
        config.channels.messenger.token = Secret::from("own");
        assert!(!config.redirect(Channel::Messenger, "http://sim"));
    }
}
