//! G4: the container files, as far as they can be tried without a container engine.

use sluice_tests::Place;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

fn docker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docker")
}

fn yaml(path: &Path) -> Yaml {
    let text = std::fs::read_to_string(path).unwrap();
    YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).remove(0)
}

/// A key of a service, from the service itself or from what it merges in.
fn key<'y>(service: &'y Yaml, name: &str) -> &'y Yaml {
    match &service[name] {
        Yaml::BadValue => &service["<<"][name],
        found => found,
    }
}

fn services(compose: &Yaml) -> Vec<(String, &Yaml)> {
    let services = compose["services"].as_hash().unwrap();
    services.iter().map(|(name, service)| (name.as_str().unwrap().to_owned(), service)).collect()
}

/// A name with a tag that says more than "the newest".
fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit('/').next().unwrap().split_once(':').map(|(_, tag)| tag);
    tag.is_some_and(|tag| tag != "latest" && !tag.is_empty())
}

#[test]
fn g4_every_image_is_pinned_and_every_server_says_whether_it_is_well() {
    let compose = yaml(&docker().join("compose.yaml"));
    for (name, service) in services(&compose) {
        let image = key(service, "image").as_str().unwrap();
        assert!(is_pinned(image), "{name}: {image}");
        // Those of our image have the image's own check.
        let own = image.starts_with("sluice:");
        assert!(own || !key(service, "healthcheck").is_badvalue(), "{name} has no health check");
    }
    let dockerfile = std::fs::read_to_string(docker().join("Dockerfile")).unwrap();
    for from in dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")) {
        assert!(is_pinned(from.split_whitespace().next().unwrap()), "{from}");
    }
    assert!(dockerfile.contains("HEALTHCHECK"));
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(!["0", "root"].contains(&user), "it runs as root");
}

#[test]
fn g4_every_variable_means_something_and_together_they_are_a_configuration() {
    let compose = yaml(&docker().join("compose.yaml"));
    let mut place = Place::new();
    let mut set = BTreeSet::new();
    for (_, service) in services(&compose) {
        let Some(environment) = key(service, "environment").as_hash() else { continue };
        for (name, value) in environment {
            let name = name.as_str().unwrap();
            if name.starts_with("SLUICE_") {
                place.set_variable(name, value.as_str().unwrap_or_else(|| panic!("{name} is not quoted")));
                set.insert(name.to_owned());
            }
        }
    }
    let dockerfile = std::fs::read_to_string(docker().join("Dockerfile")).unwrap();
    for word in dockerfile.split_whitespace() {
        if let Some((name, value)) = word.split_once('=').filter(|(name, _)| name.starts_with("SLUICE_")) {
            place.set_variable(name, value);
            set.insert(name.to_owned());
        }
    }
    assert!(set.contains("SLUICE_KAFKA_BROKERS") && set.contains("SLUICE_METRICS_LISTEN"), "{set:?}");
    let shown = place.run(&["config", "show", "--json"]).expect(0);
    assert!(!shown.stderr.contains("means nothing"), "{}", shown.stderr);
    // The tests' own flag for it wins.
    set.remove("SLUICE_DATA_DIR");
    for name in &set {
        assert!(
            shown.stdout.contains(&format!("environment {name}")),
            "{name} sets nothing:\n{}",
            shown.stdout
        );
    }
}

#[test]
fn g4_every_command_is_one_of_the_program_and_every_mounted_file_is_there() {
    let compose = yaml(&docker().join("compose.yaml"));
    let place = Place::new();
    for (name, service) in services(&compose) {
        if key(service, "image").as_str().unwrap().starts_with("sluice:") {
            let command = key(service, "command").as_vec().unwrap();
            let mut arguments: Vec<&str> = command.iter().map(|word| word.as_str().unwrap()).collect();
            // Everything before it is read as well, and an unknown flag or a wrong value is an error.
            arguments.push("--help");
            let help = place.run(&arguments).expect(0);
            assert!(help.stdout.contains("Usage: sluice"), "{name}: {}", help.stdout);
        }
        for volume in key(service, "volumes").as_vec().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_file = source.starts_with('.');
            let known = match is_file {
                true => docker().join(source).exists(),
                false => !compose["volumes"][source].is_badvalue(),
            };
            assert!(known, "{name}: {source} is not there");
        }
    }
}
