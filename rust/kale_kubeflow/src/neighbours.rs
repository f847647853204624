//! The services that stand beside the API of Kubeflow Pipelines. Behind one gateway all have one address. Where the API is
//! reached as a service of Kubernetes, from inside a cluster or through its API server, each has its own.

use url::Url;

use crate::context::{Auth, Cluster};

/// The path of the API behind the API server of Kubernetes.
const PROXIED: &str = "/services/ml-pipeline:http/proxy";
/// The host of the API, inside.
const HOST: &str = "ml-pipeline.";
/// Behind a gateway the pages have a path of their own, and the service of metadata has not.
const PAGES_PATH: &str = "/pipeline";

/// A server that is not that of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub url: Url,
    /// Whether the credentials of the context are for it, too.
    pub is_shown_credentials: bool,
}

/// The server of the pages, which also gives out artifacts, and the service of metadata, for browsers.
#[derive(Clone, Debug)]
pub struct Neighbours {
    pub pages: Neighbour,
    pub metadata: Neighbour,
}

impl Neighbours {
    /// Those of a cluster whose API is at `api`. Where the context says at which address people look at runs, both are
    /// there; but where it leaves the API's address to Kubernetes, they are as near as the API is, and need no other way.
    pub fn of(cluster: &Cluster, api: &Url) -> Neighbours {
        let place = |url: Url, is_shown_credentials| Neighbour { url, is_shown_credentials };
        match &cluster.ui {
            Some(ui) if cluster.kfp.is_some() => {
                let is_shown = is_shown_credentials(cluster, api, ui.url());
                Neighbours { pages: place(ui.url().clone(), is_shown), metadata: place(at_root(ui.url()), is_shown) }
            }
            _ => Neighbours { pages: place(pages(api), true), metadata: place(metadata(api), true) },
        }
    }
}

/// What lets us into Kubernetes is for nobody else. What a user got from a gateway is for the pages, too, unless it would
/// travel there in the open.
pub fn is_shown_credentials(cluster: &Cluster, api: &Url, ui: &Url) -> bool {
    let is_of_kubernetes = matches!(cluster.auth, Auth::Kubeconfig(_) | Auth::InCluster);
    let loses_tls = api.scheme() == "https" && ui.scheme() != "https";
    api.origin() == ui.origin() || !(is_of_kubernetes || loses_tls)
}

fn pages(api: &Url) -> Url {
    neighbour(api, "ml-pipeline-ui:http", "ml-pipeline-ui", 80).unwrap_or_else(|| api.clone())
}

fn metadata(api: &Url) -> Url {
    neighbour(api, "metadata-envoy-service:9090", "metadata-envoy-service", 9090).unwrap_or_else(|| at_root(api))
}

fn neighbour(api: &Url, proxied: &str, host: &str, port: u16) -> Option<Url> {
    let mut url = api.clone();
    if let Some(cluster) = api.path().trim_end_matches('/').strip_suffix(PROXIED) {
        url.set_path(&format!("{cluster}/services/{proxied}/proxy"));
        return Some(url);
    }
    let place = api.host_str()?.strip_prefix(HOST).filter(|place| place.contains(".svc"))?;
    url.set_host(Some(&format!("{host}.{place}"))).ok()?;
    url.set_port(Some(port)).ok()?;
    Some(url)
}

/// The pages ask for metadata at the root of their server.
fn at_root(pages: &Url) -> Url {
    let mut url = pages.clone();
    let path = pages.path().trim_end_matches('/');
    url.set_path(path.strip_suffix(PAGES_PATH).unwrap_or(path));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(auth: &str, kfp: Option<&str>, ui: Option<&str>) -> Cluster {
        serde_json::from_value(serde_json::json!({"auth": auth, "kfp": kfp, "ui": ui})).unwrap()
    }

    fn both(api: &str, ui: Option<&str>) -> [String; 2] {
        let found = Neighbours::of(&cluster("none", Some(api), ui), &api.parse().unwrap());
        [found.pages.url.to_string(), found.metadata.url.to_string()]
    }

    #[test]
    fn behind_a_gateway_all_have_one_address() {
        let gateway = "https://kubeflow.example/pipeline";
        assert_eq!(both(gateway, None), [gateway, "https://kubeflow.example/"]);
        assert_eq!(both("http://localhost:8080", None), ["http://localhost:8080/"; 2]);
        let api = "https://api.example:8888";
        assert_eq!(both(api, Some(gateway)), [gateway, "https://kubeflow.example/"]);
    }

    #[test]
    fn services_of_kubernetes_have_their_own() {
        let namespace = "https://10.0.0.1:6443/api/v1/namespaces/kubeflow";
        let proxied = |service: &str| format!("{namespace}/services/{service}/proxy");
        let expected = [proxied("ml-pipeline-ui:http"), proxied("metadata-envoy-service:9090")];
        assert_eq!(both(&proxied("ml-pipeline:http"), None), expected);
        let inside = "http://ml-pipeline.kubeflow.svc.cluster.local:8888";
        let service = |name: &str| format!("http://{name}.kubeflow.svc.cluster.local");
        let expected =
            [format!("{}/", service("ml-pipeline-ui")), format!("{}:9090/", service("metadata-envoy-service"))];
        assert_eq!(both(inside, None), expected);
    }

    /// Where the pages are asked, and whether with credentials.
    fn asked(auth: &str, kfp: Option<&str>, api: &str, ui: &str) -> (String, bool) {
        let Neighbours { pages, metadata } = Neighbours::of(&cluster(auth, kfp, Some(ui)), &api.parse().unwrap());
        assert_eq!(pages.is_shown_credentials, metadata.is_shown_credentials);
        (pages.url.host_str().unwrap().to_owned(), pages.is_shown_credentials)
    }

    #[test]
    fn what_lets_us_into_kubernetes_is_for_nobody_else() {
        let (gateway, proxied) =
            ("https://kubeflow.example/pipeline", "https://10.0.0.1:6443/api/v1/namespaces/kubeflow");
        let proxied = format!("{proxied}{PROXIED}");
        assert_eq!(asked("kubeconfig", None, &proxied, gateway), ("10.0.0.1".to_owned(), true));
        let inside = "http://ml-pipeline.kubeflow.svc.cluster.local:8888";
        let pages = "ml-pipeline-ui.kubeflow.svc.cluster.local".to_owned();
        assert_eq!(asked("in-cluster", None, inside, gateway), (pages, true));
        let api = "https://api.example";
        for auth in ["kubeconfig", "in-cluster"] {
            assert_eq!(asked(auth, Some(api), api, gateway), ("kubeflow.example".to_owned(), false));
        }
        assert!(asked("kubeconfig", Some(gateway), gateway, "https://kubeflow.example/_/pipeline").1);
    }

    #[test]
    fn a_gateways_token_does_not_travel_in_the_open() {
        let api = "https://api.example";
        assert!(asked("token-env:T", Some(api), api, "https://kubeflow.example").1);
        assert!(!asked("token-env:T", Some(api), api, "http://kubeflow.example").1);
    }
}
