//! The real program under load: small campaigns on two channels, one after the other, for as long as somebody looks.

use serde_json::{Value, json};
use sluice_tests::{Place, Process, Simulator, free_port, http};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// People of each campaign.
const PEOPLE: usize = 25;
/// On a cluster a process looks at topics, tables and clocks first.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// Between two campaigns: slow enough that each ends.
const EVERY: Duration = Duration::from_millis(250);
/// The simulator's key, known to the service.
const SECRET: &str = "metrics-test";
/// Names that must not be exported.
pub(crate) const SECRET_NAMES: [&str; 4] = ["a-campaign-name", "106540352242922", "5511987", "example.com"];

/// A service that sends; dropped, all of it ends.
pub(crate) struct Sending {
    /// `host:port` of its metrics.
    pub(crate) metrics: String,
    launches: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    _service: Process,
    _simulator: Simulator,
    _place: Place,
}

impl Sending {
    /// As many things go wrong as there are panels about them. `place`: its variables name the engines.
    pub(crate) fn start(place: Place) -> Self {
        let (port, watched) = (free_port(), free_port());
        let (server, metrics) = (format!("http://127.0.0.1:{port}"), format!("127.0.0.1:{watched}"));
        let faults = [
            "latency_ms=5",
            "permanent_percent=3",
            "error_500_percent=3",
            "hang_percent=1",
            // It holds a page for a second, so it comes seldom.
            "throttled_percent=0.3",
        ];
        let receipts = ["delivered_percent=90", "read_percent=50"];
        let mut arguments = vec!["--webhook-url", &server, "--app-secret", SECRET];
        faults.iter().chain(&receipts).for_each(|fault| arguments.extend(["--fault", fault]));
        let simulator = Simulator::start(&place, &arguments);
        place.configure(&format!(
            "[channels.whatsapp]\nurl = \"{}\"\ntoken = \"t\"\napp_secret = \"{SECRET}\"\ntimeout_ms = 500\n\
             [channels.http]\nurl = \"{}\"\napp_secret = \"{SECRET}\"\ntimeout_ms = 500\n\
             [quotas.portfolio]\nrate = \"5000/s\"\ndaily = \"1000000/day\"\ntenants = [\"default\"]\n",
            simulator.url(),
            simulator.page_url("shop"),
        ));
        let listen = format!("127.0.0.1:{port}");
        let mut service = place.sluice(&["run", "--listen", &listen, "--metrics-listen", &metrics]);
        service.until_it_says("sluice listens on", STARTS_WITHIN);

        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let launches = std::thread::spawn(move || {
            for number in (0_u64..).take_while(|_| !stopping.load(Ordering::SeqCst)) {
                launch(&server, number);
                std::thread::sleep(EVERY);
            }
        });
        let launches = Some(launches);
        Self { metrics, launches, stop, _service: service, _simulator: simulator, _place: place }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // If it panicked, panels without data tell.
        drop(self.launches.take().map(JoinHandle::join));
    }
}

fn launch(server: &str, number: u64) {
    let launch = if number.is_multiple_of(2) { whatsapp(number) } else { generic(number) };
    let url = format!("{server}/v1/campaigns");
    let answer = http::request("POST", &url, &[], launch.to_string().as_bytes()).unwrap();
    // While an engine is away the service says so.
    assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
}

fn whatsapp(number: u64) -> Value {
    let person = |index| json!({ "phone": format!("+5511987{number:03}{index:03}"), "first_name": "Ana" });
    json!({
        "campaign": format!("a-campaign-name-{number}"),
        "channel": "whatsapp",
        "pages": ["106540352242922"],
        "audience": { "inline": (0..PEOPLE).map(person).collect::<Vec<_>>() },
        "message": { "template": {
            "name": "spring_sale", "language": "en_US",
            "components": [{ "type": "body", "parameters": [{ "type": "text", "text": "{{first_name}}" }] }],
        } },
    })
}

/// Every tenth person lacks what the message needs; every fifth row is there twice. Each campaign has a page of its own,
/// so that pages go on being taken.
fn generic(number: u64) -> Value {
    let person = |index: usize| {
        let coupon = if index.is_multiple_of(10) { "" } else { "SPRING10" };
        json!({ "address": format!("p{number}-{}@example.com", index - index % 5 / 4), "coupon": coupon })
    };
    json!({
        "campaign": format!("a-campaign-name-{number}"),
        "channel": "http",
        "pages": [format!("shop-{number}")],
        "audience": { "inline": (0..PEOPLE).map(person).collect::<Vec<_>>() },
        "message": { "http": { "body": { "to": "{{address}}", "coupon": "{{coupon}}" } } },
    })
}
