//! The shop's own tests, as a team would write them: no network, no thread, and the exposures at hand.

use bucketry::testing::TestClient;
use bucketry_examples::page;

const FLAGS: &str = include_str!("../../flags.json");

#[test]
fn the_old_page_exposes_nobody_to_the_button_test() {
    let client = TestClient::from_json(FLAGS).unwrap();
    client.set_override("new-checkout", false);
    let page = page(&client, "visitor-7");
    assert!(page["button"].is_null());
    let exposures = client.take_exposures();
    assert!(
        exposures
            .iter()
            .all(|exposure| exposure.flag != "buy-button")
    );
    assert!(
        exposures
            .iter()
            .any(|exposure| exposure.flag == "search-ranking")
    );
}

#[test]
fn the_new_page_has_the_button_that_quality_assurance_asked_for() {
    let client = TestClient::from_json(FLAGS).unwrap();
    client.set_override("new-checkout", true);
    client.set_override("buy-button", "outline");
    assert_eq!(page(&client, "visitor-7")["button"], "outline");
}

#[test]
fn without_a_flag_set_the_shop_is_open() {
    let client = TestClient::empty();
    let page = page(&client, "visitor-7");
    assert_eq!(page["freeShippingFrom"], 75);
    assert!(page["button"].is_null());
}
