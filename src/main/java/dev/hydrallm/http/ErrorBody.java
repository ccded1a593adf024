package dev.hydrallm.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.hydrallm.serving.PromptTooLongException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.RoutingContext;
import org.jspecify.annotations.Nullable;

/** The OpenAI API's body of every error: always these four keys. */
record ErrorBody(Detail error) {
    static final String INVALID_REQUEST = "invalid_request_error";
    static final String AUTHENTICATION = "authentication_error";
    static final String RATE_LIMIT = "rate_limit_error";
    static final String SERVER = "server_error";
    static final String UNAVAILABLE = "unavailable_error";

    private static final int LONGEST_MESSAGE = 1_000;

    /**
     * What went wrong.
     *
     * @param param the request's field that is to blame
     * @param code for programs
     * @param promptTokens of a prompt that is too long
     * @param contextLength of the model that it is too long for
     */
    record Detail(
            String message,
            String type,
            @Nullable String param,
            @Nullable String code,

            @JsonProperty("n_prompt_tokens") @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Integer promptTokens,

            @JsonProperty("n_ctx") @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Integer contextLength) {}

    static ErrorBody of(String type, String message, @Nullable String param, @Nullable String code) {
        return new ErrorBody(new Detail(oneLine(message), type, param, code, null, null));
    }

    static ErrorBody of(PromptTooLongException e) {
        return new ErrorBody(new Detail(
                String.valueOf(e.getMessage()),
                INVALID_REQUEST,
                null,
                "context_length_exceeded",
                e.promptTokens(),
                e.contextLength()));
    }

    /** Answers a request that does not get as far as a resource. */
    void end(RoutingContext routing, int status) {
        routing.response()
                .setStatusCode(status)
                .putHeader(HttpHeaders.CONTENT_TYPE, "application/json")
                .end(Buffer.buffer(Answers.json(this)));
    }

    /** Messages may quote the request: no control characters, no end without end. */
    private static String oneLine(String message) {
        String cut = message.length() > LONGEST_MESSAGE ? message.substring(0, LONGEST_MESSAGE) + " …" : message;
        return cut.replaceAll("[\\p{Cntrl}\\u2028\\u2029]+", " ");
    }
}
