//! The allow-list: what is let through can be read in only one way.
//!
//! The text is a method, a blank and a path.

#![no_main]

use airlock_core::gate::path::Route;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use url::Url;

fuzz_target!(|text: &str| {
    let Some((method, path)) = text.split_once(' ') else { return };
    let Some(route) = Route::of(method, path) else { return };

    assert!(path.is_ascii() && path.len() <= 4096);
    assert!(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(&method), "{method}");
    let below = |path: &str| {
        ["/bundles", "/environment-variables"].contains(&path)
            || ["/edge_worker/v1/", "/execution/", "/bundles/"].iter().any(|start| path.starts_with(start))
    };
    assert!(below(path), "{path}");

    // Another parser, and one that decodes first (as proxies do), stay where the path says.
    let url = Url::parse(&format!("http://airflow{path}")).expect("a URL");
    assert!(below(url.path()) && url.query().is_none() && url.fragment().is_none(), "{url}");
    assert_eq!(url.path().split('/').count(), path.split('/').count(), "no segment is lost: {url}");
    let once = percent_decode_str(path).decode_utf8().expect("UTF-8");
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    for reading in [path, &once, &twice] {
        assert!(!reading.contains("//") && !reading.contains('\\') && !reading.contains(';'), "{reading}");
        assert!(!reading.chars().any(char::is_control), "{reading:?}");
        for segment in reading.split('/').skip(1) {
            assert!(!["", ".", ".."].contains(&segment), "{reading}");
        }
    }

    // At the edge the route says all that the path says, so the path can be made again from it.
    match route.edge_path() {
        Some(again) => {
            let claim = route.method_claim().to_string();
            assert_eq!(once.strip_prefix("/edge_worker/v1/"), Some(claim.as_str()));
            assert!(route.method_claim().is(&claim));
            assert_eq!(Route::of(method, &again).as_ref(), Some(&route), "{again}");
        }
        None => {
            let task = match route {
                Route::Execution { task, .. } => task,
                Route::EnvironmentVariables | Route::Bundles | Route::Bundle { .. } => {
                    let claim = route.method_claim().to_string();
                    assert_eq!(once.strip_prefix('/'), Some(claim.as_str()));
                    return;
                }
                _ => panic!("{path} can be made again"),
            };
            assert!(path.starts_with("/execution/"));
            if let Some(task) = task {
                assert!(path.split('/').any(|segment| segment == task.as_str()), "{path}");
            }
        }
    }
});
