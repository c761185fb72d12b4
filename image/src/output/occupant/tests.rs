//! Layouts as other programs leave them.

use serde_json::json;

use super::*;

/// A layout of one image that was built here, called this in its index.
struct Older(tempfile::TempDir);

impl Older {
    fn called(annotations: &Value) -> Self {
        let older = Self(tempfile::tempdir().unwrap());
        let config = json!({ "history": [{ "created_by": format!("{} 1.2.3", config::MAKER) }] });
        let layer = older.blob("a layer");
        let config = older.blob(&config.to_string());
        let manifest = older.blob(&json!({ "config": config, "layers": [layer] }).to_string());
        let entry = json!({ "digest": manifest["digest"], "annotations": annotations });
        older.put("oci-layout", "{}");
        older.put("index.json", &json!({ "manifests": [entry] }).to_string());
        older
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn blob(&self, text: &str) -> Value {
        let digest = Digest::of(text.as_bytes());
        self.put(&format!("blobs/sha256/{}", digest.hex()), text);
        json!({ "digest": digest })
    }

    /// What is said if an image under this tag is to take its place.
    fn check(&self, tag: &str) -> Result<Occupant, String> {
        occupant(self.0.path(), &[tag.parse().unwrap()]).map_err(|error| error.to_string())
    }

    fn refusal(&self, what: &str) -> Result<Occupant, String> {
        Err(occupied(self.0.path(), what).to_string())
    }
}

#[test]
fn an_image_that_was_copied_under_a_tag_alone_is_replaced_by_that_tag_alone() {
    let older = Older::called(&json!({ "org.opencontainers.image.ref.name": "1" }));
    assert_eq!(older.check("a.io/team/runner:1"), Ok(Occupant::Replaceable));
    assert_eq!(older.check("a.io/team/runner:2"), older.refusal("holds another image, `1`"));
    let older = Older::called(&json!({ "org.opencontainers.image.ref.name": "a.io/team/runner:1" }));
    assert_eq!(
        older.check("a.io/team/runner:1"),
        Ok(Occupant::Replaceable),
        "some write the whole name there"
    );
}

#[test]
fn the_whole_name_counts_where_it_is_written() {
    let names = json!({
        "org.opencontainers.image.ref.name": "1", "io.containerd.image.name": "a.io/team/other:1"
    });
    let older = Older::called(&names);
    assert_eq!(older.check("a.io/team/runner:1"), older.refusal("holds another image, `a.io/team/other:1`"));
}

#[test]
fn an_index_that_lists_no_images_is_not_ours() {
    for index in ["{}", r#"{"manifests":{}}"#, "[]"] {
        let older = Older::called(&Value::Null);
        assert_eq!(older.check("a:1"), Ok(Occupant::Replaceable));
        older.put("index.json", index);
        assert_eq!(
            older.check("a:1"),
            older.refusal("holds an `index.json` that lists no images"),
            "{index}"
        );
    }
}

#[test]
fn a_disk_of_its_own_is_as_good_as_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    assert_eq!(occupant(folder.path(), &[]).unwrap(), Occupant::Replaceable);
    let older = Older::called(&Value::Null);
    fs::create_dir(older.0.path().join("lost+found")).unwrap();
    assert_eq!(older.check("a:1"), Ok(Occupant::Replaceable));
}

#[test]
fn only_what_its_images_are_made_of_are_blobs_of_a_layout() {
    let older = Older::called(&Value::Null);
    let of_images = blobs_of_images(older.0.path());
    assert_eq!(of_images.len(), 3);
    older.blob("of somebody else");
    assert_eq!(blobs_of_images(older.0.path()), of_images);
}
