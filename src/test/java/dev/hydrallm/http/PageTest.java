package dev.hydrallm.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.interactions.Actions;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;
import org.openqa.selenium.support.ui.WebDriverWait;

/** The page in a real browser against the real server with the demo model. */
@QuarkusTest
final class PageTest {
    private static final Path BROWSER = Path.of("/usr/bin/chromium");
    private static final Path DRIVER = Path.of("/usr/bin/chromedriver");
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static @Nullable ChromeDriver shared;

    @TestHTTPResource("/")
    @Nullable
    URI address;

    @BeforeAll
    static void startBrowser() {
        assumeTrue(
                Files.isExecutable(BROWSER) && Files.isExecutable(DRIVER),
                () -> BROWSER + " or " + DRIVER + " is absent (Debian: apt install chromium chromium-driver)");
        ChromeOptions options = new ChromeOptions();
        options.setBinary(BROWSER.toFile());
        options.addArguments(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync");
        LoggingPreferences logs = new LoggingPreferences();
        logs.enable(LogType.BROWSER, Level.ALL);
        options.setCapability(ChromeOptions.LOGGING_PREFS, logs);
        shared = new ChromeDriver(
                new ChromeDriverService.Builder()
                        .usingDriverExecutable(DRIVER.toFile())
                        .build(),
                options);
    }

    @AfterAll
    static void stopBrowser() {
        if (shared != null) {
            shared.quit();
        }
    }

    @BeforeEach
    void openThePage() {
        resize(1280, 900);
        browser().manage().logs().get(LogType.BROWSER); // what the test before left
        browser().get(page().toString());
        waitFor("#server[data-state=ready]");
        set("#max-tokens", "40");
    }

    @Test
    void aPromptStreamsTintedDraftTokensAndItsFigures() {
        click("#generate");
        waitForStatus("Done: 40 tokens");
        assertThat(text(".text")).startsWith("def fibonacci(n):");
        assertThat(browser().findElements(By.cssSelector(".text .draft"))).isNotEmpty();
        assertThat(browser().findElements(By.cssSelector(".steps .some"))).isNotEmpty();
        assertThat(Double.parseDouble(text(".speed"))).isPositive();
        assertThat(Double.parseDouble(text(".per-step"))).isGreaterThan(1);
        assertThat(find("#problem").isDisplayed()).isFalse();
    }

    @Test
    void plainDecodingGivesTheSameTextWithoutADraftToken() {
        click("#compare");
        waitFor("#verdict:not([hidden])");
        assertThat(text("#verdict")).endsWith("The text is the same.");
        assertThat(browser().findElements(By.cssSelector(".pane:last-child .draft")))
                .isEmpty();
        assertThat(text(".pane:last-child .per-step")).isEqualTo("1.00");
    }

    @Test
    void theKeyboardAloneStartsAndStops() {
        set("#max-tokens", "900");
        find("#prompt").sendKeys(Keys.chord(Keys.CONTROL, Keys.ENTER));
        waitFor(".text .base");
        new Actions(browser()).sendKeys(Keys.ESCAPE).perform();
        waitForStatus("Stopped after");
        // The stopped request does not hold the slot.
        set("#max-tokens", "5");
        find("#prompt").sendKeys(Keys.chord(Keys.CONTROL, Keys.ENTER));
        waitForStatus("Done: 5 tokens");
    }

    @Test
    void everythingIsReachedWithTheTabKey() {
        List<String> reached = new ArrayList<>();
        find("#prompt").click();
        for (int presses = 0; presses < 15; presses++) {
            browser().switchTo().activeElement().sendKeys(Keys.TAB);
            WebElement focused = browser().switchTo().activeElement();
            reached.add(focused.getTagName() + ":" + focused.getDomProperty("id"));
        }
        assertThat(reached)
                .contains("summary:", "input:temperature", "select:speculation", "button:generate", "button:compare");
    }

    @Test
    void aChatRemembersItsTurns() {
        set("#max-tokens", "8");
        browser().executeScript("document.querySelector('input[value=chat]').click()");
        for (String message : List.of("def add(a, b):", "def sub(a, b):")) {
            find("#prompt").clear();
            find("#prompt").sendKeys(message, Keys.chord(Keys.CONTROL, Keys.ENTER));
            waitForStatus("Done: ");
            waitFor("#generate:not([hidden])");
        }
        assertThat(browser().findElements(By.cssSelector(".text .user"))).hasSize(2);
        assertThat(browser().findElements(By.cssSelector(".text .assistant"))).hasSize(1);
    }

    @Test
    void aRefusalIsShownInTheServersWords() {
        browser().executeScript("document.getElementById('prompt').value = arguments[0]", "x = 1\n".repeat(3000));
        click("#generate");
        waitFor("#problem:not([hidden])");
        assertThat(text("#problem")).isNotBlank().doesNotContain("The page failed");
        assertThat(text("#status")).isEqualTo("Ended with an error.");
        assertThat(find("#generate").isEnabled()).isTrue();
    }

    @Test
    void aNarrowWindowNeedsNoSidewaysScrolling() {
        resize(320, 640);
        browser().executeScript("document.getElementById('settings').open = true");
        click("#generate");
        waitForStatus("Done: ");
        assertThat((Long) browser().executeScript("return document.documentElement.scrollWidth"))
                .isLessThanOrEqualTo(320);
    }

    @Test
    void nothingComesFromElsewhereAndTheConsoleStaysEmpty() {
        Object origins = browser()
                .executeScript("return [...new Set(performance.getEntriesByType('resource')"
                        + ".map(entry => new URL(entry.name).origin))].join()");
        assertThat(page().toString()).startsWith(origins + "/");
        // What a loading server answers is no defect of the page.
        assertThat(browser().manage().logs().get(LogType.BROWSER).getAll())
                .filteredOn(entry -> !entry.getMessage().contains("503"))
                .isEmpty();
    }

    private URI page() {
        return Objects.requireNonNull(address);
    }

    private static ChromeDriver browser() {
        return Objects.requireNonNull(shared);
    }

    private static WebElement find(String selector) {
        return browser().findElement(By.cssSelector(selector));
    }

    private static String text(String selector) {
        return Objects.requireNonNull(find(selector).getDomProperty("textContent"));
    }

    private static void click(String selector) {
        find(selector).click();
    }

    private static void set(String selector, String value) {
        browser().executeScript("document.getElementById('settings').open = true");
        find(selector).clear();
        find(selector).sendKeys(value);
    }

    private static void waitFor(String selector) {
        new WebDriverWait(browser(), PATIENCE)
                .until(driver -> !driver.findElements(By.cssSelector(selector)).isEmpty());
    }

    private static void waitForStatus(String beginning) {
        new WebDriverWait(browser(), PATIENCE).until(driver -> text("#status").startsWith(beginning));
    }

    private static void resize(int width, int height) {
        browser()
                .executeCdpCommand(
                        "Emulation.setDeviceMetricsOverride",
                        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", false));
    }
}
