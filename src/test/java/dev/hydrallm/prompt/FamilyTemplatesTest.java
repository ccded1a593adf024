package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** The templates that come with well-known models, and what Python's Jinja makes of them. */
class FamilyTemplatesTest {
    private static final Message SYSTEM = new Message("system", "You are a cat.");
    private static final Message HI = new Message("user", "Hi {{ 7*7 }}");
    private static final Message HELLO = new Message("assistant", "Meow!");
    private static final Message BYE = new Message("user", "Bye");

    /** As a request with tools would set them. */
    private static final String TOOLS = """
            {%- set tools = [{'type': 'function', 'function': {'name': 'purr', 'strict': true, 'parameters': {}}}] %}
            """;

    private static final String PURR =
            "{\"type\": \"function\", \"function\": {\"name\": \"purr\", \"strict\": true, \"parameters\": {}}}";

    /** Messages with what our own requests cannot hold yet. */
    private static final String CALLED = """
            {%- set messages = [
                {'role': 'user', 'content': 'Purr'},
                {'role': 'assistant', 'content': '',
                 'tool_calls': [{'function': {'name': 'purr', 'arguments': {'times': 2, 'loud': false}}}]},
                {'role': 'tool', 'content': 'prr'}] %}
            """;

    private static String template(String name) {
        try (InputStream in = FamilyTemplatesTest.class.getResourceAsStream("/templates/" + name + ".jinja")) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String model(String name, Message... messages) {
        return render(template(name), messages);
    }

    private static String render(String template, Message... messages) {
        return new JinjaTemplate(template).render(List.of(messages), "<s>", "</s>");
    }

    @Test
    void llama2() {
        assertThat(model("llama-2", SYSTEM, HI, HELLO, BYE))
                .isEqualTo("<s>[INST] <<SYS>>\nYou are a cat.\n<</SYS>>\n\nHi {{ 7*7 }} [/INST] Meow! </s>"
                        + "<s>[INST] Bye [/INST]");
        assertThat(model("llama-2", HI)).isEqualTo("<s>[INST] Hi {{ 7*7 }} [/INST]");
    }

    @Test
    void llama3() {
        assertThat(model("llama-3", SYSTEM, HI))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\nYou are a cat.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi {{ 7*7 }}<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    private static final String LLAMA_31_DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

    @Test
    void llama31() {
        assertThat(model("llama-3.1", SYSTEM, HI, HELLO, BYE))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\n" + LLAMA_31_DATES
                        + "You are a cat.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi {{ 7*7 }}<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\nMeow!<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    @Test
    void llama31WithTools() {
        assertThat(render(TOOLS + template("llama-3.1"), BYE)).isEqualTo("""
                <s><|start_header_id|>system<|end_header_id|>

                Environment: ipython
                """ + LLAMA_31_DATES + """
                <|eot_id|><|start_header_id|>user<|end_header_id|>

                Given the following functions, please respond with a JSON for a function call \
                with its proper arguments that best answers the given prompt.

                Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.\
                Do not use variables.

                {
                    "type": "function",
                    "function": {
                        "name": "purr",
                        "strict": true,
                        "parameters": {}
                    }
                }

                Bye<|eot_id|><|start_header_id|>assistant<|end_header_id|>

                """);
        assertThat(render(CALLED + template("llama-3.1")))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\n" + LLAMA_31_DATES + "<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nPurr<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
                        + "{\"name\": \"purr\", \"parameters\": {\"times\": 2, \"loud\": false}}<|eot_id|>"
                        // A string can be iterated over, so the template prints it as JSON.
                        + "<|start_header_id|>ipython<|end_header_id|>\n\n\"prr\"<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n");
    }

    @Test
    void mistral() {
        assertThat(model("mistral", HI, HELLO, BYE))
                .isEqualTo("<s>[INST] Hi {{ 7*7 }} [/INST]Meow!</s>[INST] Bye [/INST]");
    }

    @Test
    void qwen25() {
        assertThat(model("qwen2.5", HI, HELLO, BYE)).isEqualTo("""
                <|im_start|>system
                You are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>
                <|im_start|>user
                Hi {{ 7*7 }}<|im_end|>
                <|im_start|>assistant
                Meow!<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
        assertThat(model("qwen2.5", SYSTEM, BYE)).isEqualTo("""
                <|im_start|>system
                You are a cat.<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
    }

    private static final String TOOL_GUIDE = """
            # Tools

            You may call one or more functions to assist with the user query.

            You are provided with function signatures within <tools></tools> XML tags:
            <tools>
            """ + PURR + """

            </tools>

            For each function call, return a json object with function name and arguments within \
            <tool_call></tool_call> XML tags:
            <tool_call>
            {"name": <function-name>, "arguments": <args-json-object>}
            </tool_call><|im_end|>
            """;

    @Test
    void qwen25WithTools() {
        assertThat(render(TOOLS + template("qwen2.5"), SYSTEM, BYE))
                .isEqualTo("<|im_start|>system\nYou are a cat.\n\n" + TOOL_GUIDE
                        + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
        assertThat(render(TOOLS + template("qwen2.5"), BYE))
                .startsWith("<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
                        + "\n\n# Tools");
        assertThat(render(CALLED + template("qwen2.5"))).endsWith("""
                <|im_start|>user
                Purr<|im_end|>
                <|im_start|>assistant
                <tool_call>
                {"name": "purr", "arguments": {"times": 2, "loud": false}}
                </tool_call><|im_end|>
                <|im_start|>user
                <tool_response>
                prr
                </tool_response><|im_end|>
                <|im_start|>assistant
                """);
    }

    @Test
    void qwen3() {
        assertThat(model("qwen3", SYSTEM, HI, HELLO, BYE)).isEqualTo("""
                <|im_start|>system
                You are a cat.<|im_end|>
                <|im_start|>user
                Hi {{ 7*7 }}<|im_end|>
                <|im_start|>assistant
                Meow!<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
        assertThat(model("qwen3", BYE)).isEqualTo("""
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
    }

    @Test
    void qwen3DropsThoughtsOfEarlierTurns() {
        Message thought = new Message("assistant", "<think>\nA cat?\n</think>\n\nMeow!");
        assertThat(model("qwen3", HI, thought, BYE)).contains("<|im_start|>assistant\nMeow!<|im_end|>");
        assertThat(model("qwen3", HI, thought))
                .contains("<|im_start|>assistant\n<think>\nA cat?\n</think>\n\nMeow!<|im_end|>");
    }

    @Test
    void qwen3WithTools() {
        assertThat(render(TOOLS + template("qwen3"), SYSTEM, BYE))
                .isEqualTo("<|im_start|>system\nYou are a cat.\n\n" + TOOL_GUIDE
                        + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
        assertThat(render("{% set enable_thinking = false %}" + CALLED + template("qwen3")))
                .isEqualTo("""
                <|im_start|>user
                Purr<|im_end|>
                <|im_start|>assistant
                <tool_call>
                {"name": "purr", "arguments": {"times": 2, "loud": false}}
                </tool_call><|im_end|>
                <|im_start|>user
                <tool_response>
                prr
                </tool_response><|im_end|>
                <|im_start|>assistant
                <think>

                </think>

                """);
    }

    @Test
    void smolLm2() {
        assertThat(model("smollm2", HI, HELLO, BYE)).isEqualTo("""
                <|im_start|>system
                You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
                <|im_start|>user
                Hi {{ 7*7 }}<|im_end|>
                <|im_start|>assistant
                Meow!<|im_end|>
                <|im_start|>user
                Bye<|im_end|>
                <|im_start|>assistant
                """);
        assertThat(model("smollm2", SYSTEM, BYE)).startsWith("<|im_start|>system\nYou are a cat.<|im_end|>\n<|im_sta");
    }

    @Test
    void zephyrAndTinyLlama() {
        assertThat(model("zephyr", SYSTEM, HI, HELLO, BYE)).isEqualTo("""
                <|system|>
                You are a cat.</s>
                <|user|>
                Hi {{ 7*7 }}</s>
                <|assistant|>
                Meow!</s>
                <|user|>
                Bye</s>
                <|assistant|>
                """);
    }

    @Test
    void vicuna() {
        assertThat(model("vicuna", SYSTEM, HI, HELLO, BYE))
                .isEqualTo("<s>You are a cat. USER: Hi {{ 7*7 }} ASSISTANT: Meow!</s> USER: Bye ASSISTANT:");
        assertThat(model("vicuna", BYE)).isEqualTo("<s>" + ChatTemplate.VICUNA_SYSTEM + " USER: Bye ASSISTANT:");
    }

    @Test
    void aTemplatesOwnRefusalIsTold() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> model("mistral", SYSTEM, HI))
                .withMessage("the chat template refuses this conversation: Conversation roles must alternate"
                        + " user/assistant/user/assistant/...");
    }
}
