package dev.hydrallm.http;

/** How an answer is sent. */
enum Delivery {
    /** One JSON object when all is done. */
    WHOLE,
    /** Server-sent events as the text grows. */
    STREAM,
    /** The same, and the usage at the end. */
    STREAM_WITH_USAGE;

    static Delivery read(RequestFields fields) {
        boolean stream = fields.flag("stream");
        boolean usage = fields.value("stream_options")
                .map(value -> {
                    RequestFields options = fields.object("stream_options", value);
                    boolean asked = options.flag("include_usage");
                    // It asks to leave out padding, of which there is none.
                    options.flag("include_obfuscation");
                    options.end();
                    if (!stream) {
                        throw ApiException.badField(
                                "stream_options", "'stream_options' is for requests with \"stream\": true");
                    }
                    return asked;
                })
                .orElse(false);
        return stream ? (usage ? STREAM_WITH_USAGE : STREAM) : WHOLE;
    }
}
