package dev.hydrallm.http;

import dev.hydrallm.serving.ModelHost;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Produces;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Liveness;
import org.eclipse.microprofile.health.Readiness;
import org.eclipse.microprofile.health.Startup;

/**
 * What probes ask: alive from the first moment until the device fails, started and ready once the model has passed its
 * self-test.
 */
@ApplicationScoped
class ModelHealth {
    private final ModelHost host;

    ModelHealth(ModelHost host) {
        this.host = host;
    }

    @Produces
    @ApplicationScoped
    @Liveness
    HealthCheck live() {
        return () -> HealthCheckResponse.named("decoding").status(host.alive()).build();
    }

    @Produces
    @ApplicationScoped
    @Startup
    HealthCheck started() {
        return this::loaded;
    }

    @Produces
    @ApplicationScoped
    @Readiness
    HealthCheck ready() {
        return this::loaded;
    }

    private HealthCheckResponse loaded() {
        return HealthCheckResponse.named("model")
                .status(host.state() instanceof ModelHost.State.Ready && host.alive())
                .build();
    }
}
