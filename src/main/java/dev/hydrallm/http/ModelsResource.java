package dev.hydrallm.http;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.hydrallm.serving.ModelHost;
import dev.hydrallm.serving.TextModel;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;
import java.time.Instant;
import java.util.List;

/** The one model that is served. */
@Path("/v1/models")
@Produces(MediaType.APPLICATION_JSON)
class ModelsResource {
    private final ModelHost host;
    private final long created = Instant.now().getEpochSecond();

    ModelsResource(ModelHost host) {
        this.host = host;
    }

    /** A list of models. */
    record ModelList(String object, List<Model> data) {}

    /**
     * A model.
     *
     * @param maxModelLength tokens of its context; an extension of the API
     */
    record Model(
            String id,
            String object,
            long created,
            @JsonProperty("owned_by") String ownedBy,
            @JsonProperty("max_model_len") int maxModelLength) {}

    @GET
    public ModelList list() {
        return new ModelList("list", List.of(model(host.model())));
    }

    @GET
    @Path("/{id:.+}")
    public Model one(String id) {
        TextModel model = host.model();
        if (!id.equals(model.name())) {
            throw ApiException.noSuchModel(id, model.name());
        }
        return model(model);
    }

    private Model model(TextModel model) {
        return new Model(model.name(), "model", created, "hydra", model.limits().contextLength());
    }
}
