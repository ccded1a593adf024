package dev.hydrallm.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.serving.ModelHost;
import dev.hydrallm.serving.TextModel;
import io.smallrye.common.annotation.Blocking;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;

/** Text to token ids and back, as the model sees it. */
@Path("/")
@Consumes(MediaType.APPLICATION_JSON)
@Produces(MediaType.APPLICATION_JSON)
class TokensResource {
    private final ModelHost host;

    TokensResource(ModelHost host) {
        this.host = host;
    }

    /** Token ids of a text, BOS included. */
    record Tokens(int[] tokens, int count) {}

    /** The text of token ids. */
    record Text(String text) {}

    @POST
    @Path("/tokenize")
    @Blocking
    public Tokens tokenize(byte[] body) {
        TextModel model = host.model();
        RequestFields fields = RequestFields.parse(body);
        String text = fields.string("text").orElseThrow(() -> fields.missing("text"));
        fields.end();
        int[] tokens = model.encode(text);
        return new Tokens(tokens, tokens.length);
    }

    @POST
    @Path("/detokenize")
    @Blocking
    public Text detokenize(byte[] body) {
        TextModel model = host.model();
        RequestFields fields = RequestFields.parse(body);
        JsonNode tokens = fields.value("tokens").orElseThrow(() -> fields.missing("tokens"));
        fields.end();
        return new Text(model.tokenizer()
                .decode(fields.tokenIds("tokens", tokens, model.limits().vocabularySize())));
    }
}
