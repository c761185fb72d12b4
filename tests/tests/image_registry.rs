//! Bases from a registry and images to a registry, with a password.
//!
//! Rule: what was sent is read in the registry's own log, and what arrived with another client.

use std::path::Path;

use charm_telemetry_tests::image::{
    BaseImage, ExporterCrate, Layout, PASSWORD, Registry, USER, image, index_of,
};

fn login(registry: &Registry) -> String {
    registry.docker_config(PASSWORD).display().to_string()
}

fn layout(folder: &Path) -> String {
    format!("oci:{}", folder.display())
}

#[test]
fn a_base_is_pulled_with_a_password_and_only_what_is_new_is_sent() {
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    registry.fill(&format!("{}:", layout(&base)), "team/base:1", &[]);
    let (login, host) = (login(&registry), registry.address.clone());
    let base_name = format!("{host}/team/base:1");
    let tag = format!("{host}/team/runner:1");
    let mine = ExporterCrate::sound(folder.path(), "test-exporter", "counter");
    let with = mine.with();
    let args = ["--with", &with, "--base", &base_name, "--tag", &tag, "--push", "--json"];
    let push = || image(args, &[("DOCKER_CONFIG", login.as_str())]).json();

    let since = registry.log().len();
    let first = push();
    let (base_layer, our_layer) = (&first["layers"][0]["digest"], &first["layers"][1]["digest"]);
    let blob_reads: Vec<_> = registry.requests("GET", since);
    assert!(
        !blob_reads.iter().any(|line| line.contains(base_layer.as_str().unwrap())),
        "the base's layer is not fetched"
    );
    let posts = registry.requests("POST", since);
    assert!(
        posts.iter().any(|line| line.contains("mount=") && line.contains("\" 201 ")),
        "it is mounted: {posts:?}"
    );
    assert_eq!(first["pushed"][0]["mounted"], 1);
    assert_eq!(first["pushed"][0]["uploaded"], 2, "our layer and the configuration");
    assert_eq!(first["base"]["name"], base_name);

    let pulled = folder.path().join("pulled");
    let by_digest = format!("team/runner@{}", first["digest"].as_str().unwrap());
    registry.pull(&by_digest, &format!("{}:1", layout(&pulled)));
    let back = Layout::read(&pulled);
    assert_eq!(first["digest"], back.digest);
    assert_eq!(
        (&back.manifest["layers"][0]["digest"], &back.manifest["layers"][1]["digest"]),
        (base_layer, our_layer)
    );

    let since = registry.log().len();
    let again = push();
    assert_eq!(again["digest"], first["digest"]);
    let uploads = |since| {
        let puts = registry.requests("PUT", since);
        puts.into_iter().filter(|line| line.contains("/blobs/uploads/")).collect::<Vec<_>>()
    };
    assert_eq!(uploads(since), Vec::<String>::new(), "the same image again sends nothing but its manifest");

    mine.replace("src/lib.rs", "+= 1", "+= 2");
    let since = registry.log().len();
    let changed = push();
    assert_ne!(changed["digest"], first["digest"]);
    let sent = uploads(since);
    let escaped = |value: &serde_json::Value| value.as_str().unwrap().replace(':', "%3A");
    let is_of = |line: &str, value| line.contains(&escaped(value)) || line.contains(value.as_str().unwrap());
    assert_eq!(sent.len(), 2, "the changed layer and the configuration that names it: {sent:?}");
    assert!(sent.iter().any(|line| is_of(line, &changed["layers"][1]["digest"])));
    assert!(sent.iter().any(|line| is_of(line, &changed["image_id"])));
}

#[test]
fn a_base_of_one_registry_is_sent_to_another_and_never_mounted_there() {
    let (Some(theirs), Some(ours)) = (Registry::start(), Registry::start()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let base = BaseImage::default().write(&folder.path().join("base"));
    theirs.fill(&format!("{}:", layout(&base)), "team/base:1", &[]);
    let both = serde_json::json!({ "auths": {
        &theirs.address: { "username": USER, "password": PASSWORD },
        &ours.address: { "username": USER, "password": PASSWORD },
    } });
    std::fs::write(folder.path().join("config.json"), both.to_string()).unwrap();
    let login = folder.path().display().to_string();
    let (base_name, tag) =
        (format!("{}/team/base:1", theirs.address), format!("{}/team/runner:1", ours.address));
    let args = ["--base", &base_name, "--tag", &tag, "--push", "--json"];
    let report = image(args, &[("DOCKER_CONFIG", login.as_str())]).json();
    assert_eq!((&report["pushed"][0]["mounted"], &report["pushed"][0]["uploaded"]), (&0.into(), &3.into()));
    let posts = ours.requests("POST", 0);
    assert!(posts.len() == 3 && !posts.iter().any(|line| line.contains("mount=")), "{posts:?}");
    let pulled = folder.path().join("pulled");
    ours.pull("team/runner:1", &format!("{}:1", layout(&pulled)));
    assert_eq!(report["digest"], Layout::read(&pulled).digest);
}

#[test]
fn a_base_of_docker_keeps_its_family_and_its_health_check() {
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    BaseImage::default().write_for_docker(&base);
    registry.fill(&format!("dir:{}", base.display()), "docker-base:1", &[]);
    let (login, host) = (login(&registry), registry.address.clone());
    let base_name = format!("{host}/docker-base:1");
    let at = folder.path().join("image");
    let (tag, place) = (format!("{host}/runner:1"), layout(&at));
    let args = ["--base", &base_name, "--tag", &tag, "--push", "--output", &place, "--json"];
    let report = image(args, &[("DOCKER_CONFIG", login.as_str())]).json();
    assert_eq!(report["format"], "docker");
    let ours = Layout::read(&at);
    let types: Vec<_> =
        ours.manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["mediaType"]).collect();
    assert_eq!(types, ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 2]);
    assert_eq!(ours.manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    assert_eq!(ours.manifest.get("annotations"), None, "Docker's manifests have none");
    assert_eq!(ours.config["config"]["User"], "1234");
    assert_eq!(ours.config["config"]["Healthcheck"], BaseImage::default().config["Healthcheck"]);
    registry.pull("runner:1", &format!("{}:1", layout(&folder.path().join("pulled"))));

    let other = folder.path().join("as-oci");
    let args = ["--base", &base_name, "--format", "oci", "--output", &layout(&other), "--json"];
    assert_eq!(image(args, &[("DOCKER_CONFIG", login.as_str())]).json()["format"], "oci");
    let ours = Layout::read(&other);
    assert_eq!(ours.manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
}

#[test]
fn of_an_index_the_image_for_the_platform_is_the_base() {
    let Some(registry) = Registry::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let arm = BaseImage { architecture: "arm64", files: vec![("etc/arm", "x")], ..BaseImage::default() };
    index_of(&[arm, BaseImage::default()], &index);
    registry.fill(&format!("{}:", layout(&index)), "multi:1", &["--all"]);
    let login = login(&registry);
    let base_name = format!("{}/multi:1", registry.address);
    let single = Layout::read(&BaseImage::default().write(&folder.path().join("single")));
    let from_registry = folder.path().join("one");
    let args = ["--base", &base_name, "--output", &layout(&from_registry), "--json"];
    let report = image(args, &[("DOCKER_CONFIG", login.as_str())]).json();
    assert_eq!(report["base"]["digest"], single.digest, "the manifest for amd64, not the index");
    assert_eq!(Layout::read(&from_registry).manifest["layers"][0], single.manifest["layers"][0]);
    // The same from disk, and by digest.
    let args = ["--base", &layout(&index), "--output", &layout(&folder.path().join("two")), "--json"];
    assert_eq!(image(args, &[]).json()["base"]["digest"], single.digest);
    let pinned = format!("{}/multi@{}", registry.address, single.digest);
    let args = ["--base", &pinned, "--output", &layout(&folder.path().join("three")), "--json"];
    let report = image(args, &[("DOCKER_CONFIG", login.as_str())]).json();
    assert_eq!(report["base"]["digest"], single.digest);
    // Pinned by the digest of the index it is still the image for the platform.
    let text = std::fs::read_to_string(index.join("index.json")).unwrap();
    let entries: serde_json::Value = serde_json::from_str(&text).unwrap();
    let pinned =
        format!("{}/multi@{}", registry.address, entries["manifests"][0]["digest"].as_str().unwrap());
    let args = ["--base", &pinned, "--output", &layout(&folder.path().join("four")), "--json"];
    let report = image(args, &[("DOCKER_CONFIG", login.as_str())]).json();
    assert_eq!(report["base"]["digest"], single.digest);
}

#[test]
fn what_a_registry_refuses_is_told_with_the_way_out() {
    let Some(registry) = Registry::start() else { return };
    let host = registry.address.clone();
    let right = login(&registry);
    let wrong = registry.docker_config("falsch").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let place = layout(&folder.path().join("image"));
    let base = format!("{host}/absent:1");
    let said = image(["--base", &base, "--output", &place], &[("DOCKER_CONFIG", right.as_str())]);
    assert_eq!(
        said.error(),
        format!("there is no image `{base}`; check its name and tag (and log in, if it is private)")
    );
    let said = image(["--base", &base, "--output", &place], &[("DOCKER_CONFIG", wrong.as_str())]);
    assert_eq!(
        said.error(),
        format!(
            "the registry `{host}` refused the user `test` with the password from `{wrong}/config.json`; log in with \
             `docker login {host}` or `podman login {host}`, or point DOCKER_CONFIG at the folder of a config.json that has it"
        )
    );
    assert!(
        !said.stderr.contains("falsch\"") && !said.stdout.contains("falsch"),
        "a password is never shown"
    );
    let said = image(["--base", &base, "--output", &place], &[]);
    assert!(
        said.error()
            .starts_with(&format!("the registry `{host}` refused to serve us without a login; log in")),
        "{}",
        said.error()
    );
    let tag = format!("{host}/runner:1");
    let said = image(["--tag", &tag, "--push"], &[("DOCKER_CONFIG", wrong.as_str())]);
    assert!(said.error().contains("refused the user `test`"), "{}", said.error());
    assert!(!said.stderr.contains("compile it"), "it is told before that: {}", said.stderr);
    assert_eq!(registry.requests("PUT", 0), Vec::<String>::new(), "nothing was stored");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_unreachable_registry_and_a_bad_name_are_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let said = image(["--base", &format!("{host}/a:1"), "--output", "oci:/nonexistent/x"], &[]);
    assert_eq!(
        said.error(),
        format!("cannot reach the registry `{host}`: connection refused; is it running?")
    );
    // A name with too long a part: nobody has to be asked to know that there is none.
    let host = format!("{}.invalid", "a".repeat(64));
    let said = image(["--base", &format!("{host}/a:1"), "--output", "oci:/nonexistent/x"], &[]);
    let (start, end) =
        (format!("cannot reach the registry `{host}`: "), "; check its name, the network and HTTPS_PROXY");
    assert!(said.error().starts_with(&start) && said.error().ends_with(end), "{}", said.error());
    for (base, expected) in [
        ("Team/Base", "a repository is in lower case; write `team/base`"),
        ("http://a.io/b", "a reference has no scheme; write `a.io/b`"),
    ] {
        let said = image(["--base", base, "--output", "oci:/nonexistent/x"], &[]);
        assert!(said.stderr.contains(expected), "{}", said.stderr);
    }
    let said = image(["--base", "oci:/nonexistent", "--output", "oci:/nonexistent/x"], &[]);
    assert!(said.error().starts_with("`/nonexistent` is no OCI layout"), "{}", said.error());
}

#[test]
fn another_machine_is_never_spoken_to_in_the_clear() {
    // A name that resolves to this machine, and is not known as such: only TLS would do, and nobody speaks it here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        first[0]
    });
    let said =
        image(["--base", &format!("[::ffff:127.0.0.1]:{port}/a:1"), "--output", "oci:/nonexistent/x"], &[]);
    assert!(!said.success);
    assert_eq!(heard.join().unwrap(), 0x16, "what is sent first is the beginning of a TLS handshake");
}
