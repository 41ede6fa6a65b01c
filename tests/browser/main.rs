//! The session-reset page in a real browser, in front of the real app.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod driver;
mod site;
#[path = "../support/mod.rs"]
mod support;

use driver::Browser;
use serde_json::{Value, json};
use site::Site;

/// Cookies that nobody asked to end: another name, another path, the whole domain's.
const KEPT: [&str; 2] = ["other_app .shop.test /", "theme HOST /"];

/// Puts the stale token wherever an app may keep one.
async fn go_stale(browser: &Browser, site: &Site, origin: &str) {
    browser.open(&format!("{origin}/stale")).await;
    let token = site.stale_token();
    let script = format!(
        "const token = '{token}';
         localStorage.setItem('token', token);
         sessionStorage.setItem('token', token);
         await new Promise((resolve, reject) => {{
           const request = indexedDB.open('auth', 1);
           request.onupgradeneeded = () => request.result.createObjectStore('tokens').put(token, 'access');
           request.onsuccess = () => {{ request.result.close(); resolve(); }};
           request.onerror = () => reject(request.error);
         }});
         if (!isSecureContext) return;
         await (await caches.open('api')).put('/users/me', new Response(token));
         await navigator.serviceWorker.register('/worker.js');
         await navigator.serviceWorker.ready;
         const file = await (await navigator.storage.getDirectory()).getFileHandle('token', {{create: true}});
         const writable = await file.createWritable();
         await writable.write(token);
         await writable.close();"
    );
    browser.run(&script).await;
}

/// What the browser still keeps for the origin that it shows.
async fn stored(browser: &Browser) -> Value {
    let script = "const secure = isSecureContext;
        const files = [];
        if (secure) for await (const name of (await navigator.storage.getDirectory()).keys()) files.push(name);
        return [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
          secure ? (await caches.keys()).length : 0,
          secure ? (await navigator.serviceWorker.getRegistrations()).length : 0, files.length];";
    browser.run(script).await
}

fn everything() -> Value {
    json!([1, 1, 1, 1, 1, 1])
}

fn nothing() -> Value {
    json!([0, 0, 0, 0, 0, 0])
}

fn kept(host: &str) -> Vec<String> {
    let mut all = vec![format!("access_token {host} /elsewhere")];
    all.extend(KEPT.map(|cookie| cookie.replace("HOST", host)));
    all.sort();
    all
}

/// What the app answers with the token of the storage.
async fn me(browser: &Browser) -> Value {
    let script = "const answer = await fetch('/users/me',
          {headers: {authorization: `Bearer ${localStorage.getItem('token')}`}});
        return [answer.status, (await answer.json()).email ?? null];";
    browser.run(script).await
}

async fn sign_in(browser: &Browser) {
    let script =
        "const form = new URLSearchParams({username: 'ada@example.com', password: 'correct horse 4711'});
        const answer = await fetch('/auth/token', {method: 'POST', body: form});
        localStorage.setItem('token', (await answer.json()).access_token);
        return answer.status;";
    assert_eq!(browser.run(script).await, json!(200));
    assert_eq!(me(browser).await, json!([200, "ada@example.com"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sign_in_ends_by_the_button_and_the_next_one_works() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let origin = site.url("");
    go_stale(&browser, &site, &origin).await;
    assert_eq!(stored(&browser).await, everything());
    assert_eq!(browser.cookies().await.len(), 7);
    assert_eq!(me(&browser).await, json!([401, null]));

    // Looking at the page changes nothing.
    browser.open(&format!("{origin}/session-reset")).await;
    browser.shows("button", "Remove the old sign-in").await;
    assert_eq!(stored(&browser).await, everything());
    pictures(&browser, "ask").await;

    browser.click("button").await;
    browser.shows("#report", "Checked: this app's storage in this browser is empty").await;
    assert_eq!(stored(&browser).await, nothing());
    assert_eq!(browser.cookies().await, kept("app.shop.test"));
    pictures(&browser, "done").await;

    browser.click("a.button").await;
    let place = browser.run("return location.href").await;
    assert_eq!(place, json!(format!("{origin}/docs")));
    sign_in(&browser).await;
}

/// On a wide and on a narrow screen, light and dark. Nothing may be wider than the narrow one.
async fn pictures(browser: &Browser, name: &str) {
    for (scheme, width, height) in [("light", 1000, 900), ("dark", 1000, 900), ("light", 320, 900)] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", features).await;
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert!(wide.as_i64().unwrap() <= width, "{name} at {width} pixels is {wide} wide");
        browser.picture(&format!("{name}-{scheme}-{width}")).await;
    }
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_the_headers_do_it_alone() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let origin = site.url("");
    go_stale(&browser, &site, &origin).await;
    let scripts = async |off: bool| {
        browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": off})).await;
    };
    scripts(true).await;
    browser.open(&format!("{origin}/session-reset")).await;
    browser.click("button").await;
    browser.shows("h1", "Your old sign-in was removed").await;
    browser.shows("#report", "If signing in still fails").await;
    scripts(false).await;
    assert_eq!(stored(&browser).await, nothing());
    assert_eq!(browser.cookies().await, kept("app.shop.test"));
    browser.open(&format!("{origin}/healthz")).await;
    sign_in(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_plain_http_the_script_does_it_alone() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let origin = format!("http://app.shop.test:{}", site.http);
    go_stale(&browser, &site, &origin).await;
    assert_eq!(stored(&browser).await, json!([1, 1, 1, 0, 0, 0]));
    browser.open(&format!("{origin}/session-reset")).await;
    // Such a page sends no Sec-Fetch-Site, so that Origin decides.
    browser.click("button").await;
    browser.shows("#report", "Checked: this app's storage in this browser is empty").await;
    assert_eq!(stored(&browser).await, nothing());
    assert_eq!(browser.cookies().await, kept("app.shop.test"));
    browser.open(&format!("{origin}/healthz")).await;
    sign_in(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_can_press_the_button_or_frame_the_page() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    for (page, host) in [("/app", "app.shop.test"), ("/static", "static.shop.test")] {
        let origin = site.at(host, "");
        go_stale(&browser, &site, &origin).await;
        let cookies = browser.cookies().await;
        // Somebody else's, and one of the same owner: a neighbour may be taken over.
        for from in ["www.evil.test", "other.shop.test"] {
            browser.open(&site.at(from, page)).await;
            browser.click("button").await;
            browser.shows("h1", "Nothing was removed").await;
            assert_eq!(stored(&browser).await, everything());
            let script = format!(
                "return await fetch('{origin}/session-reset',
                   {{method: 'POST', mode: 'no-cors', credentials: 'include'}}).then(() => 'sent', () => 'kept back')"
            );
            browser.open(&site.at(from, "/stored")).await;
            browser.run(&script).await;
            browser.open(&format!("{origin}/healthz")).await;
            assert_eq!(stored(&browser).await, everything());
            assert_eq!(browser.cookies().await, cookies);
        }
    }
    browser.open(&site.at("www.evil.test", "/frame")).await;
    browser.enter_frame().await;
    assert_eq!(browser.count("button").await, 0);
    browser.leave_frame().await;
    browser.open(&site.url("/session-reset")).await;
    assert_eq!(browser.count("button").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_as_files_of_a_web_server_does_the_same() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    let origin = site.at("static.shop.test", "");
    go_stale(&browser, &site, &origin).await;
    // The page that clears is no address of its own: a link to it would be enough for anybody.
    for path in ["/session-reset/done.html", "/session-reset/refused.html", "/session-reset/nginx.conf"] {
        browser.open(&format!("{origin}{path}")).await;
        browser.shows("h1", "404").await;
    }
    browser.open(&format!("{origin}/healthz")).await;
    assert_eq!(stored(&browser).await, everything());
    browser.open(&format!("{origin}/session-reset")).await;
    browser.click("button").await;
    browser.shows("#report", "Checked: this app's storage in this browser is empty").await;
    assert_eq!(stored(&browser).await, nothing());
    assert_eq!(browser.cookies().await, kept("static.shop.test"));
    browser.open(&format!("{origin}/healthz")).await;
    let headers = browser
        .run("return Object.fromEntries((await fetch('/session-reset', {cache: 'no-store'})).headers)");
    let headers = headers.await;
    for (name, value) in auth_consistency::server::session_reset::HEADERS {
        assert_eq!(headers[name], value, "{name}");
    }
    sign_in(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_under_the_same_domain_keeps_what_it_has_stored() {
    let site = Site::start().await;
    let browser = Browser::start().await;
    browser.open(&site.at("other.shop.test", "/stored")).await;
    browser.run("localStorage.setItem('mine', '1'); document.cookie = 'mine=1; path=/'").await;
    go_stale(&browser, &site, &site.url("")).await;
    browser.open(&site.url("/session-reset")).await;
    browser.click("button").await;
    browser.shows("#report", "Checked: this app's storage in this browser is empty").await;
    browser.open(&site.at("other.shop.test", "/stored")).await;
    let mine = browser.run("return [localStorage.getItem('mine'), document.cookie.split('; ').sort()]").await;
    assert_eq!(mine, json!(["1", ["mine=1"]]));
}
