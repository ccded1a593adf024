package dev.hydrallm.http;

import org.jspecify.annotations.Nullable;

/** A request that is refused, in the words and kinds of the OpenAI API. */
final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;
    private final String type;
    private final @Nullable String param;
    private final @Nullable String code;

    ApiException(int status, String type, String message, @Nullable String param, @Nullable String code) {
        super(message);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
    }

    /** A field of the request is wrong. */
    static ApiException badField(String param, String message) {
        return new ApiException(400, ErrorBody.INVALID_REQUEST, message, param, null);
    }

    /** The request as a whole is wrong. */
    static ApiException badRequest(String message) {
        return new ApiException(400, ErrorBody.INVALID_REQUEST, message, null, null);
    }

    /** A field that the API knows and this server does not support. */
    static ApiException unsupported(String param, String message) {
        return new ApiException(400, ErrorBody.INVALID_REQUEST, message, param, "unsupported_parameter");
    }

    /** A model that is not served here. */
    static ApiException noSuchModel(String asked, String served) {
        return new ApiException(
                404,
                ErrorBody.INVALID_REQUEST,
                "the model '" + asked + "' does not exist here; this server has '" + served + "'",
                "model",
                "model_not_found");
    }

    int status() {
        return status;
    }

    ErrorBody body() {
        return ErrorBody.of(type, String.valueOf(getMessage()), param, code);
    }
}
