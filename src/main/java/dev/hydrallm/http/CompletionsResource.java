package dev.hydrallm.http;

import dev.hydrallm.serving.ModelHost;
import dev.hydrallm.serving.TextModel;
import io.smallrye.common.annotation.Blocking;
import io.vertx.ext.web.RoutingContext;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.MediaType;
import org.jboss.resteasy.reactive.RestMulti;

/** Continues texts. */
@Path("/v1/completions")
class CompletionsResource {
    private final ModelHost host;
    private final Answers answers;

    CompletionsResource(ModelHost host, Answers answers) {
        this.host = host;
        this.answers = answers;
    }

    @POST
    @Blocking
    @Consumes(MediaType.APPLICATION_JSON)
    public RestMulti<byte[]> complete(byte[] body, @Context RoutingContext routing) {
        TextModel model = host.model();
        CompletionRequest request = CompletionRequest.read(RequestFields.parse(body), model);
        AnswerFormat.Head head = AnswerFormat.Head.of(CompletionFormat.ID_PREFIX, model.name(), request.seed());
        return answers.start(request.generations(), request.delivery(), new CompletionFormat(head), routing.response());
    }
}
