package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Pickle;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnpicklerTest {
    private static final String ATTACKS = """
            os, system
            posix, system
            nt, system
            builtins, eval
            builtins, exec
            builtins, getattr
            __builtin__, eval
            subprocess, Popen
            torch, load
            torch.hub, load
            torch._utils, _rebuild_tensor_v2.__globals__
            torch.nn.modules.module, os.system
            torch.storage, os.system
            medusa.model, os.system
            collections, OrderedDict.__init__
            runpy, run_path
            """;

    @ParameterizedTest
    @CsvSource(textBlock = ATTACKS)
    void aNameOffTheListIsRefusedByThatNameWhenItIsCalled(String module, String name) {
        assertRefused(
                new Pickle().global(module, name).string("touch /tmp/owned").op(0x85, 'R'),
                "asks for " + module + "." + name);
    }

    @ParameterizedTest
    @CsvSource(textBlock = ATTACKS)
    void aNameOffTheListIsRefusedByThatNameWhenItComesFromTheStack(String module, String name) {
        assertRefused(
                new Pickle().string(module).string(name).op(0x93).string("x").op(0x85, 'R'),
                "asks for " + module + "." + name);
    }

    @Test
    void aNameOffTheListIsRefusedEvenWhenItIsNotCalled() {
        assertRefused(new Pickle().op('}').string("a").global("os", "system").op('s'), "asks for os.system");
    }

    @Test
    void anObjectOfAListedClassIsNotCalledWithItsArguments() {
        Pickle pickle = new Pickle().global("torch.nn.modules.linear", "Linear").string("x");
        assertThat(load(pickle.op(0x85, 'R'))).isInstanceOf(Unpickler.Module.class);
    }

    @ParameterizedTest
    @ValueSource(chars = {'i', 'o', 'P', 'I', 'F', 'L', 'S', 'U', 'V', 'd', 'l', 'p', 'g', 'B', 'C'})
    void anOperationThatTorchDoesNotWriteIsRefused(char operation) {
        assertRefused(new Pickle().op(operation), "the operation 0x" + Integer.toHexString(operation));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x82, 0x83, 0x84, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x96, 0x97, 0x98, 0xff})
    void extensionsAndLaterOperationsAreRefused(int operation) {
        assertRefused(new Pickle().op(operation), "the operation 0x");
    }

    @Test
    void aNewerProtocolIsRefused() {
        assertRefused(new Pickle().op(0x80, 6), "protocol version 6");
    }

    @Test
    void aNameThatIsTooLongIsRefusedWithoutBeingCompared() {
        assertRefused(new Pickle().global("medusa.model." + "A".repeat(4_000_000), "!"), "asks for medusa.model.AAA");
    }

    @Test
    void everyBeginningOfAPickleIsRefused() {
        byte[] whole = new Pickle()
                .value(Map.of("a", dev.hydrallm.testing.TestTensor.random(dev.hydrallm.model.DType.F32, 1, 2, 2)))
                .bytes();
        for (int length = 0; length < whole.length; length++) {
            byte[] part = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> new Unpickler("x", part).load())
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("ends too early");
        }
    }

    @Test
    void moreOperationsThanAnyModelNeedsAreRefused() {
        assertRefused(new Pickle().repeat(2_000_000, '}'), "more than 1048576 operations");
        assertRefused(new Pickle().repeat(2_000_000, '('), "more than 1048576 operations");
    }

    @Test
    void aTextLongerThanThePickleIsRefused() {
        assertRefused(new Pickle().op('X', 0xff, 0xff, 0xff, 0xff), "ends too early");
        assertRefused(new Pickle().op(0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "ends too early");
    }

    @Test
    void deeplyNestedDictionariesAreRefused() {
        Pickle pickle = new Pickle().op('}');
        for (int i = 0; i < 100_000; i++) {
            pickle.string("a").op('}');
        }
        assertRefused(pickle.repeat(100_000, 's'), "nested deeper than 32");
    }

    @Test
    void aDictionaryThatHoldsItselfIsRefused() {
        assertRefused(new Pickle().op('}', 'q', 0).string("a").op('h', 0, 's'), "nested deeper than 32");
        Pickle twice = new Pickle().op('}', 'q', 0);
        for (String key : List.of("a", "b", "c", "d")) {
            twice.string(key).op('h', 0, 's');
        }
        assertRefused(twice, "nested deeper than 32");
    }

    @Test
    void aDictionaryThatMultipliesByItsReferencesIsRefused() {
        // 16 dictionaries, each holding the one before ten times: 10^16 entries.
        Pickle pickle = new Pickle().op('}', 'q', 0);
        for (int level = 1; level <= 16; level++) {
            pickle.op('}');
            for (int i = 0; i < 10; i++) {
                pickle.string("k" + i).op('h', level - 1, 's');
            }
            pickle.op('q', level);
        }
        assertRefused(pickle, "more than 131072 entries");
    }

    @Test
    void namesThatMultiplyByTheirLengthAreRefused() {
        Pickle pickle = new Pickle().op('}').string("n".repeat(1_000_000)).op('}');
        assertRefused(pickle.string("a").op('}', 's', 's'), "longer than 300");
    }

    @Test
    void attributesAreNotCopiedForEveryObjectThatSharesThem() {
        Pickle pickle = new Pickle().op('}', 'q', 0, '(');
        for (int i = 0; i < 100_000; i++) {
            pickle.op('J', i & 0xff, i >> 8 & 0xff, i >> 16, 0, 'N');
        }
        pickle.op('u').global("torch.nn.modules.linear", "Linear").op('q', 1, '0');
        // Copies would be 10^10 entries.
        pickle.repeat(100_000, 'h', 1, ')', 0x81, 'h', 0, 'b');
        assertThat(load(pickle))
                .isInstanceOfSatisfying(
                        Unpickler.Module.class,
                        module -> assertThat(module.attributes()).hasSize(100_000));
    }

    @Test
    void aTensorOfManyAxesIsRefused() {
        Pickle pickle = new Pickle().op('(').repeat(1_000, 'K', 1).op('t', 'q', 0, '0');
        pickle.global("torch._utils", "_rebuild_tensor_v2").op('(', '(').string("storage");
        pickle.global("torch", "FloatStorage").string("0").op('t', 'Q', 'K', 0, 'h', 0, 'h', 0, 't', 'R');
        assertRefused(pickle, "more than 8 axes");
    }

    @Test
    void aLargeSetIsRefused() {
        assertRefused(
                new Pickle()
                        .global("builtins", "set")
                        .op(']', '(')
                        .repeat(33, 'N')
                        .op('e', 0x85, 'R'),
                "a set of more than 32");
    }

    @Test
    void aSetIsNotAppendedTo() {
        assertRefused(new Pickle().global("builtins", "set").op(']', 0x85, 'R', 'N', 'a'), "is damaged");
    }

    @Test
    void aDictionaryWithAContainerAsKeyIsRefused() {
        assertRefused(new Pickle().op('}', ']', 'N', 's'), "keys are not names");
    }

    @Test
    void whatIsNoTensorIsRefusedByName() {
        assertRefused(new Pickle().op('}').string("step").number(7).op('s'), "these entries are no tensors: step");
    }

    @Test
    void aPickleThatHoldsNoDictionaryIsRefused() {
        assertRefused(new Pickle().number(7), "no dictionary of tensors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"q", "h", "j", "r", "R", "b", "s", "u", "t", "a", "e", "Q", "0", "1", "2", "."})
    void anOperationOnAnEmptyStackIsRefused(String operation) {
        assertRefused(new Pickle().op(operation.charAt(0), 5, 0, 0, 0), "the pickle");
    }

    private static Object load(Pickle pickle) {
        return new Unpickler("x.pt", pickle.bytes()).load();
    }

    /** Refused when it is interpreted or when its tensors are looked for. */
    private static void assertRefused(Pickle pickle, String reason) {
        assertThatThrownBy(() -> StateDict.tensors("x.pt", load(pickle)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("x.pt: ")
                .hasMessageContaining(reason);
    }
}
