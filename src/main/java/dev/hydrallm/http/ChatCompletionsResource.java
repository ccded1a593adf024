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
import java.util.List;
import org.jboss.resteasy.reactive.RestMulti;

/** Answers conversations. */
@Path("/v1/chat/completions")
class ChatCompletionsResource {
    private final ModelHost host;
    private final Answers answers;

    ChatCompletionsResource(ModelHost host, Answers answers) {
        this.host = host;
        this.answers = answers;
    }

    @POST
    @Blocking
    @Consumes(MediaType.APPLICATION_JSON)
    public RestMulti<byte[]> answer(byte[] body, @Context RoutingContext routing) {
        TextModel model = host.model();
        ChatRequest request = ChatRequest.read(RequestFields.parse(body), model);
        AnswerFormat.Head head = AnswerFormat.Head.of(ChatFormat.ID_PREFIX, model.name(), request.seed());
        return answers.start(
                List.of(request.generation()), request.delivery(), new ChatFormat(head), routing.response());
    }
}
