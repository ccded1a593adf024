package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.engine.EngineOptions.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a model computes, by name. */
class DeviceTest {
    @ParameterizedTest
    @CsvSource({"auto,auto", "CPU,cpu", "cuda,cuda:0", "cuda:0,cuda:0", " Cuda:12 ,cuda:12"})
    void aNameIsThatOfADevice(String name, String device) {
        assertThat(Device.named(name)).hasToString(device);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "cuda0", "cpu:0"})
    void anotherIsRefused(String name) {
        assertThatThrownBy(() -> Device.named(name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("device %s is not auto, cpu, cuda or cuda:N", name);
    }

    @Test
    void theKernelsAreForProcessors() {
        EngineOptions kernels = EngineOptions.DEFAULT.on(Kind.KERNELS);
        assertThat(Programs.device(kernels)).isEqualTo(Device.CPU);
        assertThatThrownBy(() -> kernels.on(new Device.Cuda(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the kernels compute on a processor, not on cuda:1: give --engine torch, or --device cpu");
    }
}
