package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Safetensors;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TinyGguf;
import dev.hydrallm.testing.TorchZip;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a person sees who gives a GGUF file where a model is asked for. */
class GgufCommandsTest {
    @TempDir
    Path directory;

    @Test
    void packTakesAFile() {
        Path file = TinyGguf.base(DType.F16)
                .put("tokenizer.chat_template", "{{ messages[0].content }}")
                .write(directory.resolve("tiny.gguf"));
        CliRun run = pack("--model", file, "--quantize", "int8");
        assertThat(run.exitCode()).isZero();
        assertThat(run.err()).contains("Packed into " + directory.resolve("packed"));
        CliRun inspect = CliRun.of("inspect", "--model", directory.resolve("packed"));
        assertThat(inspect.exitCode()).isZero();
        assertThat(inspect.out()).contains("tiny.gguf", "2 layers, hidden 8", "Jinja, 25 characters", "no heads");
    }

    @Test
    void packTakesAFileAsTheBaseOfDraftHeads() {
        Path file = TinyGguf.base(DType.F32).write(directory.resolve("tiny.gguf"));
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        assertThat(pack("--model", heads, "--base-model", file).exitCode()).isZero();
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            assertThat(pack.draft().heads()).isEqualTo(2);
            assertThat(pack.manifest().name()).isEqualTo("heads");
        }
    }

    @Test
    void badFilesAreRefusedInOneLineAndLeaveNothing() {
        byte[] whole = TinyGguf.base(DType.F32).bytes();
        Path cut = Safetensors.write(directory.resolve("cut.gguf"), Arrays.copyOf(whole, whole.length / 2));
        assertRefused(pack("--model", cut), "cut.gguf: truncated");
        Path text = TinyCheckpoint.text(directory.resolve("model.txt"), "no model at all");
        assertRefused(pack("--model", text), "model.txt: is no GGUF file");
        Path other =
                TinyGguf.base(DType.F32).put("general.architecture", "falcon").write(directory.resolve("falcon.gguf"));
        assertRefused(pack("--model", other), "general.architecture \"falcon\" is not supported");
        Path kinds =
                TinyGguf.base(DType.F32).put("tokenizer.ggml.model", "bert").write(directory.resolve("bert.gguf"));
        assertRefused(pack("--model", kinds), "tokenizer.ggml.model \"bert\" is not supported");
        Path file = TinyGguf.base(DType.F32).write(directory.resolve("tiny.gguf"));
        assertRefused(pack("--model", file, "--base-model", file), "is a whole model; --base-model is for draft heads");
        assertThat(Files.exists(directory.resolve("packed"))).isFalse();
    }

    private CliRun pack(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "--output";
        all[arguments.length + 1] = directory.resolve("packed");
        return CliRun.of("pack", all);
    }
}
