package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.WeightFormat.Int4;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightFormatTest {
    private static final PackLayout.Matrix MATRIX = new PackLayout.Matrix("m", TensorGroup.LAYERS, 10, 1920);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "f32",
                "f16",
                "int8",
                "nf4",
                "int4-g32",
                "int4-g64",
                "int4-g128",
                "int4-g32-asym",
                "int4-g64-asym",
                "int4-g128-asym"
            })
    void aFormatIsTheOneOfItsName(String name) {
        assertThat(WeightFormat.named(name)).hasToString(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "F32", "bf16", "int4", "int4-g16", "int4-g064", "int4-g64-sym", "int4-g64-asym-", "nf4 "})
    void anyOtherNameIsRefused(String name) {
        assertThatThrownBy(() -> WeightFormat.named(name))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("unknown weight format " + name);
    }

    @Test
    void anyOtherGroupSizeIsRefused() {
        assertThatThrownBy(() -> new Int4(48, Int4.Symmetry.SYMMETRIC)).hasMessageContaining("a group of 48 weights");
    }

    @Test
    void everyFormatStoresItsTensors() {
        assertThat(stored("f16")).containsExactly("m.weight F16 [10, 1920]");
        assertThat(stored("int8")).containsExactly("m.weight I8 [10, 1920]", "m.scale F32 [10]");
        assertThat(stored("int4-g64")).containsExactly("m.scale F16 [10, 30]", "m.weight U8 [10, 960]");
        assertThat(stored("int4-g128-asym"))
                .containsExactly("m.scale F16 [10, 15]", "m.minimum F16 [10, 15]", "m.weight U8 [10, 960]");
        assertThat(stored("nf4"))
                .containsExactly(
                        "m.absmax U8 [10, 30]",
                        "m.absmax_scale F32 [2]",
                        "m.absmax_mean F32 [1]",
                        "m.weight U8 [10, 960]");
    }

    @Test
    void rowsThatDoNotDivideIntoGroupsAreRefusedWithAWayOut() {
        PackLayout.Matrix odd = new PackLayout.Matrix("layers.0.o", TensorGroup.LAYERS, 4, 96);
        assertThatThrownBy(() -> PackLayout.stored(odd, formats("int4-g64")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "layers.0.o has 96 columns, which do not divide into groups of 64 for 4 bits: choose int4 with"
                                + " a smaller group, or int8");
        PackLayout.Matrix odder = new PackLayout.Matrix("layers.0.o", TensorGroup.LAYERS, 4, 100);
        assertThatThrownBy(() -> PackLayout.stored(odder, formats("nf4"))).hasMessageEndingWith("choose int8");
    }

    private static List<String> stored(String format) {
        return PackLayout.stored(MATRIX, formats(format)).stream()
                .map(tensor -> tensor.name() + " " + tensor.dtype() + " " + tensor.shape())
                .toList();
    }

    private static Map<TensorGroup, WeightFormat> formats(String name) {
        return Map.of(TensorGroup.LAYERS, WeightFormat.named(name));
    }
}
